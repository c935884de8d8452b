//! Integration tests: the built program against real servers.
