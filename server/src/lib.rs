//! The Gridwork server.
