//! Decisions one by one, without a log around them: each guard, each step of the tables, each refusal in its order.

mod admission;
mod guards;
mod parts;
mod question;
mod rights;
mod scene;
mod steps;
mod workflow;
