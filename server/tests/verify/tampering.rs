//! Every way to change a file behind the engine's back is found, at the place where it was done.
