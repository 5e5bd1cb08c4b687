"""The networks, as Flax Linen modules: ``network(classes=C)(images, train=...) -> logits``."""
