"""What is asked of the warehouse, one file per mart: pipelines, and exact figures made of their documents."""
