//! Defects of the engine that `verify` brought to light, each with the case that shows it.
