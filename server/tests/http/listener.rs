//! The real listener over loopback: slow clients lose their slot, a drain lets work end, a panic or refusal keeps the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use server::http::limits::HttpLimits;
use server::http::listener::{Drained, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fake::{Fake, Gate, Harness, PANICKING_RECORD, PATIENCE};
use crate::samples::good_token;

struct Running {
    address: SocketAddr,
    fake: Arc<Fake>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

async fn start(limits: HttpLimits, gate: Option<Gate>) -> Running {
    let harness = Harness::with(limits, gate);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let Harness {
        router,
        fake,
        shutdown,
        limits,
        ..
    } = harness;
    let ended = tokio::spawn(async move {
        let stop = async {
            let _ = stopped.await;
            shutdown.send_replace(true);
        };
        serve(listener, router, &limits, stop).await
    });
    Running {
        address,
        fake,
        stop,
        ended,
    }
}

fn short() -> HttpLimits {
    let short = Duration::from_millis(100);
    HttpLimits {
        header_timeout: short,
        body_idle_timeout: short,
        ..HttpLimits::default()
    }
}

async fn send(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes; a reset is an end as well.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the text has come.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&bytes).contains(wanted) {
        let count = timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .expect("an answer comes")
            .unwrap();
        assert!(
            count > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const LIVE: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
const SYNC: &str = "POST /v1/sync HTTP/1.1\r\nhost: x\r\ncontent-type: application/vnd.gridwork.sync\r\ncontent-length: 4\r\n\r\n";

#[tokio::test]
async fn whoever_is_slow_with_the_head_is_closed() {
    let server = start(short(), None).await;
    for slow in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n\r\n",
        "G",
        "GET /livez HTTP/1.1\r\n",
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: ",
    ] {
        let answer = read_to_end(send(server.address, slow).await).await;
        assert!(!answer.contains("200"), "{slow:?}: {answer}");
    }
    let mut good = send(server.address, LIVE).await;
    assert!(
        read_until(&mut good, "\"live\":true")
            .await
            .starts_with("HTTP/1.1 200"),
        "others are served all the while"
    );
}

#[tokio::test]
async fn whoever_idles_after_an_answer_is_closed() {
    let server = start(short(), None).await;
    let answer = read_to_end(send(server.address, LIVE).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn whoever_is_slow_with_the_body_is_told_and_closed() {
    let server = start(short(), None).await;
    let answer = read_to_end(send(server.address, &format!("{SYNC}GW")).await).await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("body_timeout"),
        "{answer}"
    );
    assert!(server.fake.synced.lock().unwrap().is_empty());
}

#[tokio::test]
async fn heads_beyond_the_limit_are_refused() {
    let server = start(HttpLimits::default(), None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n",
        "a".repeat(100_000)
    );
    // The server may stop reading before all is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = read_to_end(stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn garbage_is_refused_and_smuggling_closed() {
    let server = start(HttpLimits::default(), None).await;
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : x\r\n\r\n",
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nGWQ1",
    ] {
        let answer = read_to_end(send(server.address, garbage).await).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{garbage:?}: {answer}");
    }
    assert!(server.fake.synced.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_connection_outlives_panics_and_refusals() {
    let server = start(HttpLimits::default(), None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let panicking = format!(
        "GET /v1/records/{PANICKING_RECORD} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        good_token()
    );
    for (request, wanted) in [
        (panicking.as_str(), "internal"),
        ("GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", "not_found"),
        (LIVE, "\"live\":true"),
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, wanted).await;
    }
}

#[tokio::test]
async fn http2_is_spoken_without_tls() {
    let server = start(HttpLimits::default(), None).await;
    let mut stream = send(server.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(&empty_settings).await.unwrap();
    let mut frame = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut frame))
        .await
        .expect("the server answers")
        .unwrap();
    assert_eq!(frame[3], 4, "with its own SETTINGS");
}

#[tokio::test]
async fn connections_beyond_the_most_wait_for_a_slot() {
    let limits = HttpLimits {
        connections_max: 1,
        ..HttpLimits::default()
    };
    let server = start(limits, None).await;
    let mut first = send(server.address, LIVE).await;
    read_until(&mut first, "\"live\":true").await;
    let mut second = send(server.address, LIVE).await;
    let mut byte = [0; 1];
    assert!(
        timeout(Duration::from_millis(200), second.read(&mut byte))
            .await
            .is_err(),
        "the slot is taken"
    );
    drop(first);
    read_until(&mut second, "\"live\":true").await;
}

#[tokio::test]
async fn a_drain_lets_work_in_flight_end() {
    let server = start(HttpLimits::default(), Some(Gate::default())).await;
    let gate = server.fake.gate.as_ref().unwrap();
    let mut idle = send(server.address, LIVE).await;
    read_until(&mut idle, "\"live\":true").await;
    let mut waiting = send(
        server.address,
        &format!(
            "GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            good_token()
        ),
    )
    .await;
    read_until(&mut waiting, "text/event-stream").await;
    let busy = send(server.address, &format!("{SYNC}GWQ1")).await;
    timeout(PATIENCE, gate.entered.notified())
        .await
        .expect("the request reaches the engine");

    server.stop.send(()).unwrap();
    read_to_end(idle).await;
    read_to_end(waiting).await;
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody new is let in"
    );
    assert!(
        !server.ended.is_finished(),
        "the work in flight is waited for"
    );
    gate.open.notify_one();
    assert!(read_to_end(busy).await.starts_with("HTTP/1.1 200"));
    assert_eq!(
        timeout(PATIENCE, server.ended).await.unwrap().unwrap(),
        Drained::Whole
    );
}

#[tokio::test]
async fn a_drain_ends_even_when_work_does_not() {
    let limits = HttpLimits {
        drain_timeout: Duration::from_millis(50),
        ..HttpLimits::default()
    };
    let server = start(limits, Some(Gate::default())).await;
    let busy = send(server.address, &format!("{SYNC}GWQ1")).await;
    timeout(
        PATIENCE,
        server.fake.gate.as_ref().unwrap().entered.notified(),
    )
    .await
    .expect("the request reaches the engine");
    server.stop.send(()).unwrap();
    assert_eq!(
        timeout(PATIENCE, server.ended).await.unwrap().unwrap(),
        Drained::Cut(1)
    );
    assert_eq!(read_to_end(busy).await, "");
}
