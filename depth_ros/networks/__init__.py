"""Networks in torch and the wrappers that make them obey the model contract."""
