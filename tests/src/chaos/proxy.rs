//! The fault proxy: a listener a device, whose connections it carries to the server byte by byte, as its link has it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::link::{Cut, Fate, Link};

const PORTAL: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 45\r\nConnection: close\r\n\r\n<html><body>Please accept our terms</body>   ";
/// The most of a request that is kept to be sent once more.
const REPEATED_BYTES_MAX: usize = 4 << 20;
/// How long the answer to a repeated request is waited for.
const REPEAT_WITHIN: Duration = Duration::from_secs(5);

/// Starts a proxy for a link on a free port and says which.
///
/// # Errors
/// The operating system's.
pub async fn start(link: Arc<Link>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // A connection that fails has failed, as connections do.
                    tokio::spawn(carry(stream, Arc::clone(&link)));
                }
                // Out of file descriptors, only time helps.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    Ok(address)
}

/// What both directions of a connection know of the exchange under way.
#[derive(Debug)]
struct Exchange {
    fate: Fate,
    /// Whether bytes of the answer have come, so that the next bytes upwards begin another exchange.
    is_answered: bool,
    up_bytes: u64,
    down_bytes: u64,
    /// The request so far, when it is to be sent once more.
    repeated: Arc<Mutex<Vec<u8>>>,
}

/// How a connection is ended, both directions at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Orderly,
    Reset,
    /// With a page that the server did not write.
    Portal,
}

type End = watch::Sender<Option<Ending>>;

async fn carry(device: TcpStream, link: Arc<Link>) -> io::Result<()> {
    let server = match link.target() {
        Some(target) => TcpStream::connect(target).await?,
        None => return Ok(()),
    };
    device.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let exchange = Arc::new(Mutex::new(Exchange {
        fate: Fate::Carried,
        is_answered: true,
        up_bytes: 0,
        down_bytes: 0,
        repeated: Arc::default(),
    }));
    let end: End = watch::Sender::new(None);
    let mut ended = end.subscribe();
    let (device_read, mut device_write) = device.into_split();
    let (server_read, mut server_write) = server.into_split();
    let outcome = {
        let up = carry_up(device_read, &mut server_write, &exchange, &link, &end);
        let down = carry_down(server_read, &mut device_write, &exchange, &link, &end);
        tokio::select! {
            _ = ended.wait_for(Option::is_some) => *end.borrow(),
            // A request whose device has gone is carried all the same; an answer may follow the end of the requests.
            _ = async { tokio::join!(up, down) } => None,
        }
    };
    match outcome {
        Some(Ending::Portal) => device_write.write_all(PORTAL.as_bytes()).await,
        Some(Ending::Reset) => {
            for half in [device_write, server_write] {
                half.as_ref().set_zero_linger()?;
                // Otherwise an orderly end would go before the reset.
                half.forget();
            }
            Ok(())
        }
        Some(Ending::Orderly) | None => Ok(()),
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Waits until the link lets bytes pass this way.
async fn pass(cut: &mut watch::Receiver<Cut>, stops: fn(Cut) -> bool) {
    // The link outlives its connections; without it nothing is cut.
    let _ = cut.wait_for(|cut| !stops(*cut)).await;
}

async fn carry_up(
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    exchange: &Arc<Mutex<Exchange>>,
    link: &Arc<Link>,
    end: &End,
) -> io::Result<()> {
    let mut cut = link.watch();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            pass(&mut cut, Cut::stops_up).await;
            return to.shutdown().await;
        }
        let bytes = &mut buffer[..read];
        let begins = begin_exchange(exchange, link);
        let fate = lock(exchange).fate;
        match fate {
            Fate::Delayed { ms } if begins => {
                link.count(fate);
                sleep(Duration::from_millis(ms)).await;
            }
            Fate::Duplicated { after_ms } => {
                let repeated = Arc::clone(&lock(exchange).repeated);
                let mut kept = lock(&repeated);
                if kept.len() + read <= REPEATED_BYTES_MAX {
                    kept.extend_from_slice(bytes);
                }
                drop(kept);
                if begins {
                    link.count(fate);
                    tokio::spawn(repeat(repeated, Arc::clone(link), after_ms));
                }
            }
            Fate::CaptivePortal => {
                link.count(fate);
                end.send_replace(Some(Ending::Portal));
                return Ok(());
            }
            Fate::RequestLost => {
                if begins {
                    link.count(fate);
                }
                continue;
            }
            _ => {}
        }
        pass(&mut cut, Cut::stops_up).await;
        write_up(bytes, to, exchange, link, end, fate).await?;
    }
}

/// Draws the next fate when bytes upwards follow bytes downwards; says whether it did.
fn begin_exchange(exchange: &Mutex<Exchange>, link: &Link) -> bool {
    let mut known = lock(exchange);
    if !known.is_answered {
        return false;
    }
    *known = Exchange {
        fate: link.next_fate(),
        is_answered: false,
        up_bytes: 0,
        down_bytes: 0,
        repeated: Arc::default(),
    };
    true
}

async fn write_up(
    bytes: &mut [u8],
    to: &mut OwnedWriteHalf,
    exchange: &Mutex<Exchange>,
    link: &Link,
    end: &End,
    fate: Fate,
) -> io::Result<()> {
    let start = lock(exchange).up_bytes;
    lock(exchange).up_bytes += bytes.len() as u64;
    match fate {
        Fate::ResetUp { at } if at < start + bytes.len() as u64 => {
            link.count(fate);
            to.write_all(&bytes[..at.saturating_sub(start) as usize])
                .await?;
            end.send_replace(Some(Ending::Reset));
            Ok(())
        }
        Fate::CorruptUp { at } if (start..start + bytes.len() as u64).contains(&at) => {
            link.count(fate);
            bytes[(at - start) as usize] ^= 1 << (at % 8);
            to.write_all(bytes).await
        }
        Fate::Slow { bytes_per_s } => {
            if start == 0 {
                link.count(fate);
            }
            write_slowly(bytes, to, bytes_per_s).await
        }
        _ => to.write_all(bytes).await,
    }
}

async fn carry_down(
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    exchange: &Mutex<Exchange>,
    link: &Link,
    end: &End,
) -> io::Result<()> {
    let mut cut = link.watch();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        pass(&mut cut, Cut::stops_down).await;
        if read == 0 {
            // The server is gone, or ends the connection: so does the device's side.
            end.send_replace(Some(Ending::Orderly));
            return Ok(());
        }
        let bytes = &mut buffer[..read];
        let (fate, start) = {
            let mut known = lock(exchange);
            known.is_answered = true;
            let start = known.down_bytes;
            known.down_bytes += read as u64;
            (known.fate, start)
        };
        let reaches = |at: u64| at < start + read as u64;
        match fate {
            Fate::ReplyLost => {
                link.count(fate);
                end.send_replace(Some(Ending::Orderly));
                return Ok(());
            }
            Fate::ResetDown { at } | Fate::Truncated { at } if reaches(at) => {
                link.count(fate);
                to.write_all(&bytes[..at.saturating_sub(start) as usize])
                    .await?;
                let is_reset = matches!(fate, Fate::ResetDown { .. });
                end.send_replace(Some(if is_reset {
                    Ending::Reset
                } else {
                    Ending::Orderly
                }));
                return Ok(());
            }
            Fate::CorruptDown { at } if at >= start && reaches(at) => {
                link.count(fate);
                bytes[(at - start) as usize] ^= 1 << (at % 8);
                to.write_all(bytes).await?;
            }
            Fate::Slow { bytes_per_s } => write_slowly(bytes, to, bytes_per_s).await?,
            _ => to.write_all(bytes).await?,
        }
    }
}

async fn write_slowly(bytes: &[u8], to: &mut OwnedWriteHalf, bytes_per_s: u64) -> io::Result<()> {
    for chunk in bytes.chunks(256) {
        to.write_all(chunk).await?;
        sleep(Duration::from_millis(
            chunk.len() as u64 * 1_000 / bytes_per_s,
        ))
        .await;
    }
    Ok(())
}

/// Sends a request once more on a connection of its own, when its device has long had the answer.
async fn repeat(repeated: Arc<Mutex<Vec<u8>>>, link: Arc<Link>, after_ms: u64) -> io::Result<()> {
    sleep(Duration::from_millis(after_ms.max(50))).await;
    let kept = std::mem::take(&mut *lock(&repeated));
    let Some(target) = link.target().filter(|_| !kept.is_empty()) else {
        return Ok(());
    };
    let mut server = TcpStream::connect(target).await?;
    server.write_all(&kept).await?;
    let mut buffer = vec![0; 16 * 1024];
    // Whatever it says, nobody hears it.
    let _ = tokio::time::timeout(REPEAT_WITHIN, server.read(&mut buffer)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A server that answers each five bytes with the same five bytes turned around, and counts what arrived.
    async fn start_server(arrived: Arc<AtomicUsize>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let arrived = Arc::clone(&arrived);
                tokio::spawn(async move {
                    let mut bytes = [0; 5];
                    while stream.read_exact(&mut bytes).await.is_ok() {
                        arrived.fetch_add(1, Ordering::SeqCst);
                        bytes.reverse();
                        stream.write_all(&bytes).await.expect("the proxy reads");
                    }
                });
            }
        });
        address
    }

    /// What comes back for `hello` over a link with this fate, and how often it arrived.
    async fn ask(fate: Fate) -> (io::Result<Vec<u8>>, usize) {
        let arrived = Arc::new(AtomicUsize::new(0));
        let link = Arc::new(Link::new(1));
        link.set_fate(fate);
        link.set_target(Some(start_server(Arc::clone(&arrived)).await));
        let proxy = start(Arc::clone(&link)).await.expect("a proxy");
        let answer = talk(proxy).await;
        // A request that is sent once more comes within so long.
        sleep(Duration::from_millis(150)).await;
        assert_eq!(link.counts().len(), usize::from(fate != Fate::Carried));
        (answer, arrived.load(Ordering::SeqCst))
    }

    async fn talk(proxy: SocketAddr) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(proxy).await?;
        stream.write_all(b"hello").await?;
        let mut answer = Vec::new();
        let mut buffer = [0; 256];
        loop {
            let read = tokio::time::timeout(Duration::from_millis(400), stream.read(&mut buffer));
            match read.await {
                Ok(Ok(0)) => return Ok(answer),
                Ok(Ok(read)) => answer.extend_from_slice(&buffer[..read]),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Ok(answer),
            }
        }
    }

    #[tokio::test]
    async fn each_fate_does_what_its_name_says() {
        for (fate, wanted, arrives) in [
            (Fate::Carried, &b"olleh"[..], 1),
            (Fate::Delayed { ms: 30 }, b"olleh", 1),
            (Fate::RequestLost, b"", 0),
            (Fate::ReplyLost, b"", 1),
            (Fate::Truncated { at: 2 }, b"ol", 1),
            (Fate::CorruptUp { at: 0 }, b"ollei", 1),
            (Fate::CorruptDown { at: 1 }, b"onleh", 1),
            (Fate::Duplicated { after_ms: 0 }, b"olleh", 2),
            (Fate::Slow { bytes_per_s: 100 }, b"olleh", 1),
            (Fate::CaptivePortal, PORTAL.as_bytes(), 0),
        ] {
            let (answer, arrived) = ask(fate).await;
            let answer = answer.expect("no reset");
            assert_eq!((&answer[..], arrived), (wanted, arrives), "{fate:?}");
        }
        for (fate, arrives) in [(Fate::ResetUp { at: 3 }, 0), (Fate::ResetDown { at: 0 }, 1)] {
            let (answer, arrived) = ask(fate).await;
            let error = answer.expect_err("a reset");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{fate:?}");
            assert_eq!(arrived, arrives, "{fate:?}");
        }
    }

    #[tokio::test]
    async fn a_cut_holds_bytes_until_it_is_healed() {
        for (cut, arrives) in [(Cut::Out, 0), (Cut::Both, 0), (Cut::In, 1)] {
            let arrived = Arc::new(AtomicUsize::new(0));
            let link = Arc::new(Link::new(1));
            link.set_faulty(false);
            link.set_target(Some(start_server(Arc::clone(&arrived)).await));
            let proxy = start(Arc::clone(&link)).await.expect("a proxy");
            link.cut(cut);
            assert_eq!(talk(proxy).await.expect("no reset"), b"", "{cut:?}");
            assert_eq!(arrived.load(Ordering::SeqCst), arrives, "{cut:?}");
            // The device has given up; its request arrives all the same.
            link.cut(Cut::Open);
            sleep(Duration::from_millis(100)).await;
            assert_eq!(arrived.load(Ordering::SeqCst), 1, "{cut:?}");
            assert_eq!(talk(proxy).await.expect("no reset"), b"olleh");
        }
    }
}
