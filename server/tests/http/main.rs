//! HTTP tests: the real router in-process, and the real listener over loopback, in front of an engine that only records what it is asked.

mod auth;
mod bodies;
mod events;
mod fake;
mod listener;
mod logs;
mod routes;
mod samples;
mod segments;
mod uploads;
mod web;
