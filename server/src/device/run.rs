//! A device at work: it makes changes at a pace while a request is in flight, tries again after failures, goes on after a
//! fork, and at the end syncs until nothing is left to say.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::DeviceError;
use super::headless::Device;
use super::work::Work;
use crate::fleet::client::Client;

/// The longest that the loop sleeps without looking at the device.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a device works.
#[derive(Clone, Copy, Debug)]
pub struct RunPlan {
    /// Changes a second.
    pub pace_per_s: f64,
    /// How long it makes changes.
    pub making: Duration,
    /// How long it may then go on until nothing is left to say.
    pub drain: Duration,
    /// It tries again at the latest after so long, as a phone does that notices its link; otherwise it waits as long as
    /// the session says, which grows to a quarter of an hour.
    pub retry_within: Option<Duration>,
    /// How often it asks whether there is something new.
    pub ask_every: Duration,
}

/// One run of a device.
struct Run<'a> {
    device: &'a mut Device,
    work: &'a mut Work,
    plan: RunPlan,
    next_change: Instant,
    making_until: Instant,
}

/// Works to the end of the plan. Says whether the device ended with nothing left to say.
///
/// # Errors
/// Only the device's own; what the link or the server did wrong is counted and tried again.
pub async fn run(
    device: &mut Device,
    client: &mut Client,
    work: &mut Work,
    plan: RunPlan,
) -> Result<bool, DeviceError> {
    let started = Instant::now();
    let making_until = started + plan.making;
    let makes = plan.pace_per_s > 0.0;
    let mut run = Run {
        device,
        work,
        plan,
        next_change: if makes { started } else { making_until },
        making_until,
    };
    run.make(client).await?;
    // What came before may have been answered; what the others did since is asked for.
    run.device.on_link();
    let until = Instant::now() + plan.drain;
    while !run.device.is_idle() && !run.device.tally.wiped && Instant::now() < until {
        run.turn(client, until).await?;
    }
    Ok(run.device.is_idle())
}

/// One exchange, whatever it comes to; nothing when nothing is due.
///
/// # Errors
/// Only the device's own.
pub async fn exchange(device: &mut Device, client: &mut Client) -> Result<(), DeviceError> {
    if let Some(request) = device.next_request()? {
        let answered = client.sync(&request.bytes).await;
        device.take(request.request_no, answered)?;
    }
    Ok(())
}

impl Run<'_> {
    async fn make(&mut self, client: &mut Client) -> Result<(), DeviceError> {
        let mut asked = Instant::now();
        while Instant::now() < self.making_until {
            if asked.elapsed() >= self.plan.ask_every {
                asked = Instant::now();
                self.device.on_nudge();
            }
            self.turn(client, self.making_until).await?;
        }
        Ok(())
    }

    /// One exchange if one is due, otherwise a short sleep; changes are made meanwhile.
    async fn turn(&mut self, client: &mut Client, until: Instant) -> Result<(), DeviceError> {
        self.make_due()?;
        if self.device.is_forked()? {
            // A link that fails is tried again at the next turn.
            if matches!(
                self.device.continue_fork(client).await,
                Err(DeviceError::Client(_))
            ) {
                self.pass_until(Instant::now() + LOOK_AGAIN).await?;
            }
            return Ok(());
        }
        if let Some(request) = self.device.next_request()? {
            let answered = {
                let sent = pin!(client.sync(&request.bytes));
                self.while_waiting(sent).await?
            };
            return self.device.take(request.request_no, answered);
        }
        let wait_ms = self.device.wait_ms()?;
        let wait = Duration::from_millis(wait_ms);
        let wait = match self.plan.retry_within {
            Some(within) if wait > Duration::ZERO => {
                self.pass_until((Instant::now() + within.min(wait)).min(until))
                    .await?;
                self.device.on_link();
                return Ok(());
            }
            _ => wait,
        };
        let wake = Instant::now() + wait.clamp(Duration::from_millis(1), LOOK_AGAIN);
        self.pass_until(wake.min(until)).await
    }

    /// Waits for an answer; changes are made meanwhile.
    async fn while_waiting<T>(
        &mut self,
        mut sent: std::pin::Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, DeviceError> {
        loop {
            tokio::select! {
                answered = &mut sent => return Ok(answered),
                () = sleep_until(self.next_change), if self.next_change < self.making_until => self.make_due()?,
            }
        }
    }

    async fn pass_until(&mut self, until: Instant) -> Result<(), DeviceError> {
        let slept = pin!(sleep_until(until));
        self.while_waiting(slept).await
    }

    /// Makes the change whose time has come. What the device missed while it was stopped is not made up for.
    fn make_due(&mut self) -> Result<(), DeviceError> {
        let now = Instant::now();
        if now < self.next_change || now >= self.making_until {
            return Ok(());
        }
        self.work.make(self.device)?;
        self.next_change = now + Duration::from_secs_f64(1.0 / self.plan.pace_per_s);
        Ok(())
    }
}
