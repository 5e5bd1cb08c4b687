"""Cloud machines: gcloud commands for TPUs and GPUs, and the loop that survives preemption."""
