"""The broker: RabbitMQ or memory, and the checks that every message passes before Dramatiq sees it."""
