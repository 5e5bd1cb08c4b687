"""Measuring as an Apache Beam pipeline (extra ``beam``), on Dataflow for one."""
