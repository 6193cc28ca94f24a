"""One port for all services: connections, and the path of a request from bytes to bytes."""
