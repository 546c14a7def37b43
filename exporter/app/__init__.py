"""The composition root: builds and connects the parts of the exporter. No other package knows all of them."""
