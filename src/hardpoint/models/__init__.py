"""Classes with the names and attributes of Flytekit's models, over the messages; see `hardpoint.models.messages`."""
