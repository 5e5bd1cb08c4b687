"""Many runs of one experiment that differ in a few fields: planned, run, gone on with, summed up.

`grid` says which runs, `plan` what each is called and how it is started, `workers` runs them, N at
a time, `summary` lays their results side by side, `door` is what the programs call.
"""
