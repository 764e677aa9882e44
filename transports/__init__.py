"""The fronts of the engine: where the person is. They know the engine; it does not know them."""
