"""Outside data -> typed tables: files, the generator, public data sets; cleaning and quality."""
