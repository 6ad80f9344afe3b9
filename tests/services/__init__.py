"""Real servers for the tests: started when the first test asks, shared by all workers, stopped at the end."""
