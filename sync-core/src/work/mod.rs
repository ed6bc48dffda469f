//! What people need to know of a record beyond its fields: faults that are still there, who has signed, whether a joint
//! visit was confirmed. Read from the record's state whenever it is asked for.

pub mod inspection;
pub mod mediation;
pub mod visit;

#[cfg(test)]
mod tests;
