//! One run: everybody works while links, clocks, processes and the disk fail; then all is healed, and the devices have a
//! short while until nothing is left to say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use server::demo::Dice;
use tokio::runtime::Runtime;

use super::device::{DeviceProcess, Orders};
use super::link::{Cut, Link};
use super::plan::{self, Event};
use super::server::{Server, make_code, make_district};
use super::small_disk::SmallDisk;
use super::{ChaosError, Options, Summary, check, failed, proxy};

/// How often the processes are looked at between events.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a device may take beyond its drain: the last request's time-out, and its start.
const GRACE: Duration = Duration::from_secs(6);
/// How often a device tries to enrol over its bad link.
const ENROLMENTS_MAX: usize = 40;

/// A run under way.
struct Run<'a> {
    options: &'a Options,
    server: Server,
    devices: Vec<DeviceProcess>,
    links: Vec<Arc<Link>>,
    folder: PathBuf,
    address_of_copy: SocketAddr,
    disk: Option<SmallDisk>,
    is_disk_full: bool,
    started: Instant,
    starts: u64,
    summary: Summary,
}

/// Makes a run in a directory of its own, which stays when something was found.
///
/// # Errors
/// What could not be done; what was found stands in the summary.
pub fn run(options: &Options) -> Result<Summary, ChaosError> {
    let began = Instant::now();
    let folder = tempfile::Builder::new()
        .prefix("gridwork-chaos-")
        .tempdir()
        .map_err(failed("a temporary directory"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(failed("a runtime"))?;
    let mut run = Run::prepare(options, folder.path(), &runtime)?;
    run.enrol_all()?;
    run.live()?;
    run.heal()?;
    run.drain()?;
    let states = run.compare()?;
    run.server.stop().unwrap_or_else(|error| {
        run.summary.broken += 1;
        run.summary.tell(error.to_string());
    });
    let Run {
        mut summary,
        devices,
        links,
        disk,
        ..
    } = run;
    let data = folder.path().join("data");
    runtime.block_on(check::check(
        options,
        &data,
        &devices,
        &states,
        &mut summary,
    ))?;
    for link in &links {
        for (kind, count) in link.counts() {
            *summary.link_faults.entry(kind.to_owned()).or_default() += count;
        }
    }
    summary.runs = 1;
    summary.replicas = options.replicas as u64;
    summary.seconds = began.elapsed().as_secs_f64();
    if summary.violations_count() > 0 {
        if let Some(disk) = &disk {
            disk.keep(&folder.path().join("kept-data"));
        }
        drop(disk);
        let kept = folder.keep();
        summary.kept.push(kept.display().to_string());
    }
    Ok(summary)
}

impl<'a> Run<'a> {
    fn prepare(options: &'a Options, folder: &Path, runtime: &Runtime) -> Result<Self, ChaosError> {
        let data = folder.join("data");
        std::fs::create_dir(&data).map_err(failed("the data directory"))?;
        let mut summary = Summary::default();
        let disk = options
            .small_disk
            .then(|| SmallDisk::mount(&data))
            .flatten();
        if options.small_disk && disk.is_none() {
            summary.full_disks_not_run += 1;
        }
        make_district(&options.gridwork, &data, options.replicas)?;
        let mut links = Vec::new();
        let mut addresses = Vec::new();
        let mut devices = Vec::new();
        // One link more, for a copy of a device.
        for index in 0..=options.replicas {
            let seed = options.seed.wrapping_mul(1_000_003) + index as u64;
            let link = Arc::new(Link::new(seed));
            let address = runtime
                .block_on(proxy::start(Arc::clone(&link)))
                .map_err(failed("a proxy"))?;
            links.push(link);
            addresses.push(address);
        }
        for (index, address) in addresses[..options.replicas].iter().enumerate() {
            let folder = folder.join(format!("device-{}", index + 1));
            let gridwork = &options.gridwork;
            devices.push(DeviceProcess::new(gridwork, folder, index + 1, *address)?);
        }
        let log = folder.join("server.log");
        let mut server = Server::new(&options.gridwork, &data, &log, links.clone());
        server.start()?;
        Ok(Self {
            options,
            server,
            devices,
            links,
            folder: folder.to_owned(),
            address_of_copy: addresses[options.replicas],
            disk,
            is_disk_full: false,
            started: Instant::now(),
            starts: 0,
            summary,
        })
    }

    /// Enrols all devices, over their bad links: a code whose answer was lost is sent again.
    fn enrol_all(&mut self) -> Result<(), ChaosError> {
        let data = &self.server.data;
        let codes: Vec<String> = self
            .devices
            .iter()
            .map(|device| make_code(&self.options.gridwork, data, device.person))
            .collect::<Result<_, _>>()?;
        thread::scope(|scope| {
            let enrolling: Vec<_> = self
                .devices
                .iter()
                .zip(&codes)
                .map(|(device, code)| {
                    scope.spawn(move || {
                        let mut tried = device.enrol(code);
                        for _ in 1..ENROLMENTS_MAX {
                            if tried.is_ok() {
                                break;
                            }
                            tried = device.enrol(code);
                        }
                        tried
                    })
                })
                .collect();
            enrolling
                .into_iter()
                .try_for_each(|each| each.join().expect("BUG: an enrolment panicked"))
        })
    }

    /// Everybody works, everything fails.
    fn live(&mut self) -> Result<(), ChaosError> {
        let lasts = Duration::from_secs_f64(self.options.seconds);
        let fills_disk = self.disk.is_some();
        let plan = plan::draw(self.options.seed, self.devices.len(), lasts, fills_disk);
        let mut dice = Dice::new(self.options.seed ^ 0x00c1_0c25);
        self.started = Instant::now();
        for device in 0..self.devices.len() {
            self.start_device(device, plan::clock_offset_ms(&mut dice))?;
        }
        for timed in plan {
            while self.started.elapsed() < timed.at {
                self.watch_server()?;
                let left = timed.at.saturating_sub(self.started.elapsed());
                thread::sleep(left.min(LOOK_EVERY));
            }
            self.befall(timed.event)?;
        }
        while self.started.elapsed() < lasts {
            self.watch_server()?;
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn start_device(&mut self, device: usize, clock_offset_ms: i64) -> Result<(), ChaosError> {
        // A device whose start was planned may run again already, for another reason.
        if self.devices[device].is_running()? {
            return Ok(());
        }
        let lasts = Duration::from_secs_f64(self.options.seconds);
        self.starts += 1;
        self.summary.clock_lies += u64::from(clock_offset_ms != 0);
        let orders = Orders {
            pace_per_s: self.options.pace_per_s / self.options.replicas as f64,
            making: lasts.saturating_sub(self.started.elapsed()),
            drain_s: self.options.drain_s,
            seed: self.options.seed.wrapping_mul(7_919) + self.starts,
            clock_offset_ms,
        };
        self.devices[device].start(orders)
    }

    /// A server that ends without being killed breaks its word, unless its disk is full.
    fn watch_server(&mut self) -> Result<(), ChaosError> {
        if let Some(status) = self.server.ended_by_itself()?
            && !self.is_disk_full
        {
            self.summary.broken += 1;
            self.summary
                .tell(format!("the server ended by itself with {status}"));
            self.server.start()?;
        }
        Ok(())
    }

    fn befall(&mut self, event: Event) -> Result<(), ChaosError> {
        match event {
            Event::Cut { device, cut } => {
                self.summary.partitions += 1;
                self.links[device].cut(cut);
            }
            Event::Heal { device } => self.links[device].cut(Cut::Open),
            Event::KillDevice { device } => {
                self.summary.kills_device += u64::from(self.devices[device].kill());
            }
            Event::StartDevice {
                device,
                clock_offset_ms,
            } => self.start_device(device, clock_offset_ms)?,
            Event::CloneDevice { device } => self.clone_device(device)?,
            Event::PauseDevice { device } => {
                self.summary.pauses += u64::from(self.devices[device].pause()?);
            }
            Event::ResumeDevice { device } => self.devices[device].resume()?,
            Event::KillServer => {
                self.summary.kills_server += u64::from(self.server.is_up());
                self.server.kill();
            }
            Event::StartServer => self.server.start()?,
            Event::PauseServer => {
                self.summary.pauses += u64::from(self.server.is_up());
                self.server.pause()?;
            }
            Event::ResumeServer => self.server.resume()?,
            Event::FillDisk => {
                if let Some(disk) = &self.disk {
                    disk.fill().map_err(failed("the small disk"))?;
                    self.is_disk_full = true;
                    self.summary.full_disks += 1;
                }
            }
            Event::FreeDisk => self.free_disk()?,
        }
        Ok(())
    }

    fn clone_device(&mut self, device: usize) -> Result<(), ChaosError> {
        self.summary.kills_device += u64::from(self.devices[device].kill());
        self.summary.clones += 1;
        let folder = self.folder.join("copy");
        let copy = self.devices[device].copy(folder, self.address_of_copy)?;
        self.devices.push(copy);
        self.start_device(device, 0)?;
        self.start_device(self.devices.len() - 1, 0)
    }

    fn free_disk(&mut self) -> Result<(), ChaosError> {
        if let Some(disk) = self.disk.as_ref().filter(|_| self.is_disk_full) {
            disk.free().map_err(failed("the small disk"))?;
            self.watch_server()?;
            self.is_disk_full = false;
            // Whoever ended for lack of room is started again, as a supervisor would.
            self.server.start()?;
        }
        Ok(())
    }

    fn heal(&mut self) -> Result<(), ChaosError> {
        for link in &self.links {
            link.set_faulty(false);
            link.cut(Cut::Open);
        }
        self.free_disk()?;
        self.server.resume()?;
        self.server.start()?;
        for device in 0..self.devices.len() {
            self.devices[device].resume()?;
        }
        Ok(())
    }

    /// Waits until each device says that nothing is left to say; who takes too long is stuck.
    fn drain(&mut self) -> Result<(), ChaosError> {
        let until = Instant::now() + Duration::from_secs(self.options.drain_s) + GRACE;
        while Instant::now() < until {
            self.watch_server()?;
            let mut running = false;
            for device in &mut self.devices {
                running |= device.is_running()?;
            }
            if !running {
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        for device in &mut self.devices {
            let name = device.name.clone();
            match device.ended()? {
                Some(status) if status.success() => {
                    self.summary.failures += device.said()["failures"].as_u64().unwrap_or(0);
                }
                Some(status) => {
                    let said = device.said();
                    let is_diverged = said["diverged"] == Value::Bool(true);
                    self.summary.diverged += u64::from(is_diverged);
                    self.summary.stuck += u64::from(!is_diverged);
                    self.summary
                        .tell(format!("{name} was not done in time ({status}): {said}"));
                }
                None => {
                    self.summary.stuck += 1;
                    self.summary
                        .tell(format!("{name} did not end in time and says nothing"));
                    device.kill();
                }
            }
        }
        Ok(())
    }

    /// Lets each device fetch what the others brought last; their states.
    fn compare(&mut self) -> Result<Vec<Value>, ChaosError> {
        let drain_s = self.options.drain_s;
        let synced: Vec<Result<(bool, Value), ChaosError>> = thread::scope(|scope| {
            let syncing: Vec<_> = self
                .devices
                .iter()
                .map(|device| scope.spawn(move || device.sync(drain_s)))
                .collect();
            let joined = syncing.into_iter();
            joined
                .map(|each| each.join().expect("BUG: a sync panicked"))
                .collect()
        });
        let mut states = Vec::new();
        for (device, synced) in self.devices.iter().zip(synced) {
            let (is_done, state) = synced?;
            if !is_done {
                self.summary.stuck += 1;
                self.summary
                    .tell(format!("{} has more to say: {state}", device.name));
            }
            states.push(state);
        }
        Ok(states)
    }
}
