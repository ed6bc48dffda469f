//! The way from `gridwork admin` to the server that holds the data directory: a socket in it that only its owner may open.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::output;
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::service::gridwork::Gridwork;
use crate::store::StoreError;

/// The longest request: an import file and its JSON quoting.
const REQUEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Message {
    district: Option<String>,
    request: AdminRequest,
}

/// Removes the socket when the server stops.
pub struct AdminSocket {
    path: PathBuf,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        self.listening.abort();
        // A socket that is left over is replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn socket_path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ServiceError {
    let path = path.display().to_string();
    move |source| {
        StoreError::File {
            path: path.clone(),
            source,
        }
        .into()
    }
}

/// Listens for `gridwork admin` until the result is dropped.
///
/// # Errors
/// The file system's own.
pub fn listen(data: &Path, gridwork: Arc<Gridwork>) -> Result<AdminSocket, ServiceError> {
    let path = socket_path(data);
    // The lock on the directory is ours, so a socket that is there belongs to nobody.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(failed(&path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(failed(&path))?;
    let listening = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let gridwork = Arc::clone(&gridwork);
            tokio::spawn(async move {
                if let Err(error) = answer(stream, &gridwork).await {
                    tracing::warn!(%error, "an admin connection ended early");
                }
            });
        }
    });
    Ok(AdminSocket { path, listening })
}

async fn answer(stream: UnixStream, gridwork: &Gridwork) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str::<Message>(&line) {
        Ok(message) => match gridwork
            .administer(message.district.as_deref(), message.request)
            .await
        {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": output::describe(&error) }),
        },
        Err(error) => json!({ "error": error.to_string() }),
    };
    write.write_all(answer.to_string().as_bytes()).await?;
    write.write_all(b"\n").await
}

/// Asks the server that holds the data directory; `None` when there is none.
///
/// # Errors
/// What the server says, or the socket's own.
pub async fn ask(
    data: &Path,
    district: Option<&str>,
    request: &AdminRequest,
) -> Result<Option<Value>, ServiceError> {
    let path = socket_path(data);
    let Ok(stream) = UnixStream::connect(&path).await else {
        return Ok(None);
    };
    let (read, mut write) = stream.into_split();
    let message = Message {
        district: district.map(str::to_owned),
        request: request.clone(),
    };
    let line = serde_json::to_string(&message).expect("BUG: a request is always JSON") + "\n";
    write
        .write_all(line.as_bytes())
        .await
        .map_err(failed(&path))?;
    let mut text = String::new();
    BufReader::new(read)
        .read_line(&mut text)
        .await
        .map_err(failed(&path))?;
    let answer: Value = serde_json::from_str(&text).map_err(|error| ServiceError::Internal {
        what: "the server's answer cannot be read",
        source: Box::new(error),
    })?;
    match answer.get("ok") {
        Some(value) => Ok(Some(value.clone())),
        None => {
            let text = answer["error"].as_str().unwrap_or("unknown").to_owned();
            Err(ServiceError::Internal {
                what: "the server refused",
                source: text.into(),
            })
        }
    }
}
