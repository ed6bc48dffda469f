//! Resumable uploads by clients that others wrote, over a link that breaks at random bytes: files that changes name, sent by
//! tuspy and by tus-js-client, and looked up afterwards, each whole and none twice.

mod files;
mod phone;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::chaos::link::Link;
use crate::chaos::server::{Server, make_code, make_district};
use crate::chaos::{ChaosError, failed, proxy};
use files::Sent;
use phone::Phone;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct TusOptions {
    /// The program `gridwork`.
    pub gridwork: PathBuf,
    /// The folder of the clients: `tests/tus`.
    pub clients: PathBuf,
    /// Files, half of them by each client.
    pub files: usize,
    /// How often the server is killed meanwhile.
    pub kills: usize,
    /// Names files and breaks.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TusSummary {
    /// Files that were to be sent.
    pub files: usize,
    /// Files that are there: what is read is what was sent, pixel by pixel.
    pub whole: usize,
    /// Attachments that the server keeps beyond one a file.
    pub twice: usize,
    /// Bytes that lie about: part files and objects that no file accounts for.
    pub left_over: usize,
    /// What the link did, by kind.
    pub link_faults: BTreeMap<String, u64>,
    /// Requests that came to nothing, as the clients counted.
    pub broken: u64,
    /// Times that the server was killed.
    pub kills: usize,
    /// What was found, in words.
    pub violations: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl TusSummary {
    /// Whether every file is whole, none is twice, and nothing lies about.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
            && self.whole == self.files
            && self.twice == 0
            && self.left_over == 0
    }
}

/// Runs it in a folder of its own.
///
/// # Errors
/// What could not be done, as opposed to what was found.
pub async fn run(options: &TusOptions, folder: &Path) -> Result<TusSummary, ChaosError> {
    let began = Instant::now();
    let data = folder.join("data");
    std::fs::create_dir_all(&data).map_err(failed("the data folder"))?;
    make_district(&options.gridwork, &data, 1)?;
    let link = Arc::new(Link::breaking(options.seed));
    let log = folder.join("server.log");
    let mut server = Server::new(&options.gridwork, &data, &log, vec![Arc::clone(&link)]);
    server.start()?;
    let address = proxy::start(Arc::clone(&link))
        .await
        .map_err(failed("the proxy"))?;
    let direct = format!("http://{}", url(&server)?);
    let code = make_code(&options.gridwork, &data, 1)?;
    let files = files::make(folder, options.files, options.seed).map_err(failed("the files"))?;
    let mut phone = Phone::enrol(&direct, &code)?;
    phone.name(&files)?;
    phone.sync(&direct)?;

    let endpoint = format!("http://{address}/v1/uploads");
    let (first, second) = files.split_at(files.len() / 2);
    let python = options.clients.join(".venv/bin/python");
    let mut clients = vec![
        start(
            &python,
            &options.clients.join("upload.py"),
            &endpoint,
            phone.token(),
            folder,
            first,
        )?,
        start(
            Path::new("node"),
            &options.clients.join("upload.mjs"),
            &endpoint,
            phone.token(),
            folder,
            second,
        )?,
    ];
    let mut summary = TusSummary {
        files: files.len(),
        ..TusSummary::default()
    };
    loop {
        let mut running = false;
        for client in &mut clients {
            running |= client
                .child
                .try_wait()
                .map_err(failed("a client"))?
                .is_none();
        }
        if !running {
            break;
        }
        // So early that something is under way.
        tokio::time::sleep(Duration::from_millis(700)).await;
        if summary.kills < options.kills {
            server.kill();
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.start()?;
            summary.kills += 1;
        }
    }
    for client in clients {
        client.end(&mut summary)?;
    }
    let faults = link.counts();
    summary.link_faults = faults
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect();
    let direct = format!("http://{}", url(&server)?);
    phone.sync(&direct)?;
    check(&phone, &direct, &files, &mut summary);
    server.stop()?;
    check_store(&data, &files, &mut summary)?;
    summary.seconds = began.elapsed().as_secs_f64();
    Ok(summary)
}

fn url(server: &Server) -> Result<String, ChaosError> {
    let url = server
        .url()
        .ok_or_else(|| ChaosError::new("the server", "is down"))?;
    Ok(url.address().to_owned())
}

/// A client at work.
struct Client {
    name: String,
    child: std::process::Child,
}

fn start(
    program: &Path,
    script: &Path,
    endpoint: &str,
    token: &str,
    folder: &Path,
    files: &[Sent],
) -> Result<Client, ChaosError> {
    let name = script
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let list = folder.join(format!("{name}.json"));
    let text = serde_json::to_vec(files).map_err(failed("the list"))?;
    std::fs::write(&list, text).map_err(failed("the list"))?;
    let child = Command::new(program)
        .arg(script)
        .args([endpoint, token])
        .arg(&list)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed("a client does not start"))?;
    Ok(Client { name, child })
}

impl Client {
    fn end(self, summary: &mut TusSummary) -> Result<(), ChaosError> {
        let output = self.child.wait_with_output().map_err(failed("a client"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let told: Value = serde_json::from_str(said.trim()).unwrap_or_default();
        summary.broken += told["broken"].as_u64().unwrap_or(0);
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            let end: String = why.chars().rev().take(600).collect();
            let end: String = end.chars().rev().collect();
            summary
                .violations
                .push(format!("{} gave up: {end}", self.name));
        }
        Ok(())
    }
}

/// Reads every file back through its record.
fn check(phone: &Phone, server: &str, files: &[Sent], summary: &mut TusSummary) {
    for (index, file) in files.iter().enumerate() {
        match phone.read_back(server, index, file) {
            Ok(()) => summary.whole += 1,
            Err(why) => summary
                .violations
                .push(format!("{}: {why}", file.path.display())),
        }
    }
}

/// Looks at what lies on the server's disk.
fn check_store(data: &Path, files: &[Sent], summary: &mut TusSummary) -> Result<(), ChaosError> {
    let mut shelves =
        std::fs::read_dir(data.join("attachments")).map_err(failed("no attachments"))?;
    let shelf = shelves
        .next()
        .ok_or_else(|| ChaosError::new("no attachments", "no district"))?
        .map_err(failed("no attachments"))?
        .path();
    let database =
        rusqlite::Connection::open(shelf.join("attachments.db")).map_err(failed("the rows"))?;
    let count = |sql: &str| {
        database
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map(|count| count as usize)
            .map_err(failed("the rows"))
    };
    let kept = count("SELECT count(*) FROM attachment")?;
    summary.twice = kept.saturating_sub(files.len());
    let stored = count(
        "SELECT count(*) FROM (SELECT kept_sha256 FROM attachment UNION SELECT small_sha256 FROM attachment)",
    )?;
    let parts = count_files(&shelf.join("uploads"))?;
    let objects = count_files(&shelf.join("objects"))?;
    // Objects of a server that was killed at its work are swept an hour later.
    let strays = if summary.kills == 0 {
        objects - stored.min(objects)
    } else {
        0
    };
    summary.left_over = strays
        + parts.saturating_sub(
            count("SELECT count(*) FROM upload WHERE offset_bytes < size_bytes")? + summary.kills,
        );
    Ok(())
}

fn count_files(folder: &Path) -> Result<usize, ChaosError> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).map_err(failed("a folder"))? {
        let path = entry.map_err(failed("a folder"))?.path();
        count += if path.is_dir() {
            count_files(&path)?
        } else {
            1
        };
    }
    Ok(count)
}
