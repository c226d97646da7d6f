"""Order changes -> notifications of suppliers and warehouses, delivered at least once."""
