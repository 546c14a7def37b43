"""The composition root: puts the parts of the exporter together and knows all of them."""
