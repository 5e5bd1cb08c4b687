"""The trainer: one member's pure steps, lifted over K members, looped over epochs."""
