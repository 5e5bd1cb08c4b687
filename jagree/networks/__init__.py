"""The networks, as Flax Linen modules: ``network(classes=C)(images, train=...) -> logits``.

All take a `dtype`, in which they compute; parameters, running averages and the last layer, whose
result are the logits, are float32.
"""
