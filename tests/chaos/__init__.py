"""HttpCA on real servers, under load, while everything that can fail does (`make chaos`)."""
