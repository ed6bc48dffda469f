//! What arrives at the server: one request, several for one commit, those that come late or once more. Every answer that
//! leaves it is noted as a promise before anything can happen to it.

use super::judge::Asked;
use super::server::Delivered;
use super::world::{Flight, World};
use server::clock::Clock as _;
use server::service::ServiceError;
use sync_core::session::Failure;
use sync_core::wire::SyncResponse;

impl World {
    pub(super) fn deliver(&mut self, bytes: &[u8]) -> Delivered {
        let head = self
            .server
            .district()
            .map(|district| district.state().head.0);
        let wall_ms = self.server.clock.wall_ms();
        self.note_certificate(bytes);
        let delivered = self.server.deliver(bytes);
        let asked = self.asked(bytes, wall_ms, &delivered);
        self.judge(asked.into_iter().collect());
        if let Delivered::Answer(answer) = &delivered {
            self.note_promises(bytes, answer);
        } else if self.server.node.is_dead() {
            self.note_death(head);
        }
        delivered
    }

    /// A request for the model, when the server has taken it or died over it.
    fn asked(&self, bytes: &[u8], wall_ms: i64, delivered: &Delivered) -> Option<Asked> {
        let response = match delivered {
            Delivered::Answer(answer) => Some(SyncResponse::decode(answer).ok()?),
            _ if self.server_is_troubled() => None,
            _ => return None,
        };
        Some(Asked {
            bytes: bytes.to_vec(),
            wall_ms,
            response,
        })
    }

    fn note_death(&mut self, head: Option<sync_core::ids::Pos>) {
        self.server_head_at_death = head.or(self.server_head_at_death);
    }

    /// Several phones' requests wait for one commit.
    pub(super) fn together(&mut self, first: u8, count: u8) {
        let mut waiting = Vec::new();
        for step in 0..count {
            let index = self.phone_of(first.wrapping_add(step));
            let is_new = waiting.iter().all(|(other, _)| *other != index);
            if !is_new || !self.is_on(index) || self.phones[index].partition.is_some() {
                continue;
            }
            self.phones[index].session.on_link();
            if let Some(request) = self.next_request(index) {
                waiting.push((index, request));
            }
        }
        let head = self
            .server
            .district()
            .map(|district| district.state().head.0);
        let requests: Vec<Vec<u8>> = waiting
            .iter()
            .map(|(_, request)| request.bytes.clone())
            .collect();
        if requests.len() > 1 {
            self.mark("group_of_batches");
        }
        let wall_ms = self.server.clock.wall_ms();
        for bytes in &requests {
            self.note_certificate(bytes);
        }
        let answers = self.server.deliver_together(&requests);
        let asked = requests
            .iter()
            .zip(&answers)
            .filter_map(|(bytes, delivered)| self.asked(bytes, wall_ms, delivered))
            .collect();
        self.judge(asked);
        for ((index, request), delivered) in waiting.into_iter().zip(answers) {
            match delivered {
                Delivered::Answer(answer) => {
                    self.note_promises(&request.bytes, &answer);
                    self.take_in(index, request.request_no, &answer, true);
                }
                Delivered::Down => self.failed(index, request.request_no, Failure::Network),
                Delivered::Refused(ServiceError::ReplicaUnknown) => {
                    self.mark("unknown_replica");
                    self.failed(index, request.request_no, Failure::UnknownReplica);
                }
                Delivered::Refused(error) => {
                    self.refused("a request beside others", &error);
                    self.failed(index, request.request_no, Failure::Busy);
                }
            }
        }
        if self.server.node.is_dead() {
            self.note_death(head);
        }
    }

    /// What is due arrives.
    pub(super) fn land_flights(&mut self) {
        let event = self.event;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|(at, _)| *at <= event);
        self.flights = later;
        for (_, flight) in due {
            match flight {
                Flight::Request {
                    phone,
                    request_no,
                    bytes,
                } => {
                    self.mark("late_request");
                    let delivered = self.deliver(&bytes);
                    if let (Delivered::Answer(answer), Some(number)) = (delivered, request_no)
                        && self.is_on(phone)
                    {
                        self.take_in(phone, number, &answer, true);
                    }
                }
                Flight::Answer {
                    phone,
                    request_no,
                    bytes,
                } => {
                    if self.is_on(phone) {
                        self.take_in(phone, request_no, &bytes, true);
                    }
                }
            }
        }
    }

    /// A request of long ago.
    pub(super) fn replay(&mut self, index: usize, pick: u32) -> bool {
        let requests = &self.phones[index].requests;
        if requests.is_empty() {
            return false;
        }
        let bytes = requests[pick as usize % requests.len()].clone();
        !matches!(self.deliver(&bytes), Delivered::Down)
    }
}
