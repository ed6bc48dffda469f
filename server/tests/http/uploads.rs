//! Uploads and attachments over HTTP: tus' headers, refusals by status, and bytes that stay inert.

use std::time::Duration;

use api_schema::attachment::{PIECE_CONTENT_TYPE, TUS_CHECKSUMS, TUS_EXTENSIONS};
use api_schema::endpoints::{ATTACHMENT_BYTES_MAX, ENDPOINTS};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use server::http::limits::HttpLimits;
use server::media::{MediaType, Refusal};
use server::service::attachments::{
    AttachmentFault, AttachmentFile, Attachments, Checksum, Piece, Rendition, UploadRequest,
    UploadState,
};
use server::service::{Answer, Caller, ServiceError};
use sync_core::change::Hash;
use uuid::Uuid;

use crate::fake::{Fake, Harness, NOW_MS, REPLICA};
use crate::samples::{METADATA, get, good_token};

const CONTENT: &[u8] =
    b"0123456789 not really an image, and long enough to be worth compressing if it were text";

fn state(size_bytes: u64, offset_bytes: u64) -> UploadState {
    UploadState {
        id: REPLICA,
        size_bytes,
        offset_bytes,
        expires_ms: NOW_MS,
        metadata: METADATA.to_owned(),
    }
}

impl Fake {
    fn take_piece(&self, size_bytes: u64, offset: u64, piece: Piece) -> Answer<'_, UploadState> {
        async move {
            let mut bytes = Vec::new();
            let mut came = piece.bytes;
            while let Some(item) = came.next().await {
                bytes.extend_from_slice(&item.map_err(AttachmentFault::Body)?);
            }
            let end = offset + bytes.len() as u64;
            self.pieces.lock().unwrap().push((piece.checksum, bytes));
            self.answer(state(size_bytes, end)).await
        }
        .boxed()
    }
}

impl Attachments for Fake {
    fn create_upload(
        &self,
        _caller: Caller,
        request: UploadRequest,
        piece: Option<Piece>,
    ) -> Answer<'_, UploadState> {
        let size = request.size_bytes;
        self.uploads.lock().unwrap().push(request);
        match piece {
            None => self.answer(state(size, 0)),
            Some(piece) => self.take_piece(size, 0, piece),
        }
    }

    fn find_upload(&self, _caller: Caller, _upload: Uuid) -> Answer<'_, UploadState> {
        self.answer(state(9, 5))
    }

    fn append_upload(
        &self,
        _caller: Caller,
        _upload: Uuid,
        offset_bytes: u64,
        piece: Piece,
    ) -> Answer<'_, UploadState> {
        self.take_piece(9, offset_bytes, piece)
    }

    fn end_upload(&self, _caller: Caller, _upload: Uuid) -> Answer<'_, ()> {
        self.answer(())
    }

    fn attachment(
        &self,
        _caller: Caller,
        _record: Uuid,
        sha256: Hash,
        rendition: Rendition,
    ) -> Answer<'_, AttachmentFile> {
        let media_type = match rendition {
            Rendition::Whole => MediaType::Png,
            Rendition::Thumbnail => MediaType::Jpeg,
        };
        self.answer(AttachmentFile {
            media_type,
            size_bytes: CONTENT.len() as u64,
            sha256,
            open: Box::new(|from, length| {
                let part = CONTENT[from as usize..(from + length) as usize].to_vec();
                async move { Ok(stream::iter([Ok(Bytes::from(part))]).boxed()) }.boxed()
            }),
        })
    }
}

fn upload_path() -> String {
    format!("/v1/uploads/{REPLICA}")
}

fn tus(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", good_token()))
        .header("tus-resumable", "1.0.0");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn creation(length: &str, metadata: &str) -> Request<Body> {
    let headers = [("upload-length", length), ("upload-metadata", metadata)];
    tus("POST", "/v1/uploads", &headers, Body::empty())
}

const PIECE: (&str, &str) = ("content-type", PIECE_CONTENT_TYPE);

#[tokio::test]
async fn a_client_learns_what_is_spoken() {
    let harness = Harness::new();
    // The only request without a version.
    let mut request = tus("OPTIONS", "/v1/uploads", &[], Body::empty());
    request.headers_mut().remove("tus-resumable");
    let reply = harness.ask(request).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    for (name, value) in [
        ("tus-resumable", "1.0.0"),
        ("tus-version", "1.0.0"),
        ("tus-extension", TUS_EXTENSIONS),
        ("tus-max-size", &ATTACHMENT_BYTES_MAX.to_string()),
        ("tus-checksum-algorithm", TUS_CHECKSUMS),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn other_versions_are_refused_with_ours() {
    let harness = Harness::new();
    for row in ENDPOINTS
        .iter()
        .filter(|row| row.path.starts_with("/v1/uploads"))
    {
        for version in ["", "0.2.2", "2.0.0", "1.0"] {
            let mut request = crate::samples::good_request(row);
            request
                .headers_mut()
                .insert("tus-resumable", version.parse().unwrap());
            let reply = harness.ask(request).await;
            assert_eq!(reply.header("tus-resumable"), "1.0.0", "on every answer");
            if row.operation != "upload_options" {
                assert_eq!(
                    reply.status,
                    StatusCode::PRECONDITION_FAILED,
                    "{}",
                    row.operation
                );
                assert_eq!(reply.header("tus-version"), "1.0.0");
                // The answer to HEAD has no content.
                assert!(
                    row.operation == "find_upload"
                        || reply.problem().code == "tus_version_unsupported"
                );
            }
        }
    }
    assert_eq!(harness.calls(), 0);
    let stranger = Request::head(upload_path()).body(Body::empty()).unwrap();
    let reply = harness.ask(stranger).await;
    assert_eq!(
        (reply.status, reply.header("tus-resumable")),
        (StatusCode::UNAUTHORIZED, "1.0.0")
    );
}

#[tokio::test]
async fn an_upload_is_begun_found_continued_and_ended() {
    let harness = Harness::new();
    let expires = "Thu, 09 Oct 2025 08:53:20 GMT";
    let reply = harness.ask(creation("9", METADATA)).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(reply.header("location"), upload_path());
    assert_eq!(
        (
            reply.header("upload-offset"),
            reply.header("upload-expires")
        ),
        ("0", expires)
    );
    let asked = harness.fake.uploads.lock().unwrap().pop().unwrap();
    assert_eq!(asked.size_bytes, 9);
    assert_eq!(
        (asked.sha256, asked.media_type),
        (Hash([0xab; 32]), MediaType::Jpeg)
    );

    let reply = harness
        .ask(tus("HEAD", &upload_path(), &[], Body::empty()))
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    for (name, value) in [
        ("upload-offset", "5"),
        ("upload-length", "9"),
        ("upload-metadata", METADATA),
        ("upload-expires", expires),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }

    let headers = [PIECE, ("upload-offset", "5")];
    let reply = harness
        .ask(tus("PATCH", &upload_path(), &headers, "1234"))
        .await;
    assert_eq!(
        (reply.status, reply.header("upload-offset")),
        (StatusCode::NO_CONTENT, "9")
    );
    let piece = harness.fake.pieces.lock().unwrap().pop().unwrap();
    assert_eq!(piece, (None, b"1234".to_vec()));

    let headers = [PIECE, ("upload-length", "9"), ("upload-metadata", METADATA)];
    let reply = harness
        .ask(tus("POST", "/v1/uploads", &headers, "12345"))
        .await;
    assert_eq!(
        (reply.status, reply.header("upload-offset")),
        (StatusCode::CREATED, "5")
    );

    let reply = harness
        .ask(tus("DELETE", &upload_path(), &[], Body::empty()))
        .await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn check_sums_are_read_and_odd_ones_refused() {
    let harness = Harness::new();
    let ask = |sum: &str| {
        let headers = [PIECE, ("upload-offset", "5"), ("upload-checksum", sum)];
        tus("PATCH", &upload_path(), &headers, "1234")
    };
    let sha1 = "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let reply = harness.ask(ask(sha1)).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let sha256 = format!("sha256 {}=", "A".repeat(43));
    let reply = harness.ask(ask(&sha256)).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let sums: Vec<_> = harness
        .fake
        .pieces
        .lock()
        .unwrap()
        .drain(..)
        .map(|(sum, _)| sum)
        .collect();
    assert_eq!(
        sums,
        [
            Some(Checksum::Sha1(vec![0; 20])),
            Some(Checksum::Sha256(vec![0; 32]))
        ]
    );
    for (sum, code) in [
        ("", "checksum_unsupported"),
        ("sha256", "checksum_unsupported"),
        ("md5 AAAAAAAAAAAAAAAAAAAAAA==", "checksum_unsupported"),
        ("SHA1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "checksum_unsupported"),
        ("sha1 AAAA", "field_invalid"),
        ("sha256 AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "field_invalid"),
        ("sha1 ***", "field_invalid"),
    ] {
        assert_eq!(harness.ask(ask(sum)).await.problem().code, code, "{sum}");
    }
    assert_eq!(harness.calls(), 2);
}

#[tokio::test]
async fn odd_headers_are_refused_before_anything_is_taken() {
    let harness = Harness::new();
    let sha256 = METADATA.split(',').next().unwrap();
    let html = format!("{sha256},filetype dGV4dC9odG1s");
    for (length, metadata, field) in [
        ("", METADATA, "upload-length"),
        ("0", METADATA, "upload-length"),
        ("-1", METADATA, "upload-length"),
        ("+9", METADATA, "upload-length"),
        ("9.0", METADATA, "upload-length"),
        ("99999999999999999999", METADATA, "upload-length"),
        ("9", "", "upload-metadata.sha256"),
        ("9", "filetype aW1hZ2UvanBlZw==", "upload-metadata.sha256"),
        ("9", sha256, "upload-metadata.filetype"),
        ("9", &html, "upload-metadata.filetype"),
    ] {
        let reply = harness.ask(creation(length, metadata)).await;
        assert_eq!(
            reply.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{length} {metadata}"
        );
        assert_eq!(reply.problem().errors[0].field, field);
    }
    let long = format!("{METADATA},note {}", "A".repeat(5_000));
    assert_eq!(
        harness.ask(creation("9", &long)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for (headers, status) in [
        (vec![PIECE], 422),
        (vec![PIECE, ("upload-offset", "x")], 422),
        (vec![("upload-offset", "5")], 415),
        (
            vec![("content-type", "image/jpeg"), ("upload-offset", "5")],
            415,
        ),
        (
            vec![PIECE, ("upload-offset", "5"), ("content-encoding", "gzip")],
            415,
        ),
    ] {
        let reply = harness
            .ask(tus("PATCH", &upload_path(), &headers, "1234"))
            .await;
        assert_eq!(reply.status.as_u16(), status, "{headers:?}");
    }
    let headers = [("upload-length", "9"), ("upload-metadata", METADATA)];
    let unnamed = harness
        .ask(tus("POST", "/v1/uploads", &headers, "12345"))
        .await;
    assert_eq!(
        unnamed.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "bytes of no type"
    );
    for id in [
        REPLICA.simple().to_string(),
        REPLICA.to_string().to_uppercase(),
        "x".to_owned(),
    ] {
        let reply = harness
            .ask(tus(
                "HEAD",
                &format!("/v1/uploads/{id}"),
                &[],
                Body::empty(),
            ))
            .await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{id}");
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn every_fault_of_an_attachment_has_its_status() {
    let harness = Harness::new();
    for (fault, status, code) in [
        (
            AttachmentFault::OffsetDiffers { offset_bytes: 7 },
            409,
            "upload_offset_differs",
        ),
        (AttachmentFault::TakenOver, 423, "upload_taken_over"),
        (AttachmentFault::ChecksumDiffers, 460, "checksum_differs"),
        (AttachmentFault::HashDiffers, 422, "attachment_hash_differs"),
        (
            AttachmentFault::Refused(Refusal::TrailingBytes),
            422,
            "attachment_refused",
        ),
        (
            AttachmentFault::Refused(Refusal::TooManyPixels { limit: 3 }),
            413,
            "limit_exceeded",
        ),
        (AttachmentFault::QuotaUsed, 429, "attachment_quota_used"),
        (AttachmentFault::Missing, 404, "attachment_missing"),
    ] {
        *harness.fake.refusal.lock().unwrap() = Some(ServiceError::Attachment(fault));
        let headers = [PIECE, ("upload-offset", "5")];
        let reply = harness
            .ask(tus("PATCH", &upload_path(), &headers, "1234"))
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem().code.as_str()),
            (status, code)
        );
        let offset = if status == 409 { "7" } else { "" };
        assert_eq!(reply.header("upload-offset"), offset);
    }
}

#[tokio::test]
async fn a_body_that_pauses_or_breaks_ends_with_what_came() {
    let limits = HttpLimits {
        body_idle_timeout: Duration::from_millis(50),
        ..HttpLimits::default()
    };
    let harness = Harness::with(limits, None);
    let headers = [PIECE, ("upload-offset", "5")];
    let pauses =
        stream::iter([Ok::<_, std::io::Error>(Bytes::from("12"))]).chain(stream::pending());
    let reply = harness
        .ask(tus(
            "PATCH",
            &upload_path(),
            &headers,
            Body::from_stream(pauses),
        ))
        .await;
    assert_eq!(reply.problem().code, "body_timeout");
    let breaks = stream::iter([Ok(Bytes::from("12")), Err(std::io::Error::other("cut"))]);
    let reply = harness
        .ask(tus(
            "PATCH",
            &upload_path(),
            &headers,
            Body::from_stream(breaks),
        ))
        .await;
    assert_eq!(reply.problem().code, "malformed_body");
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn attachments_are_inert_and_resumable() {
    let harness = Harness::new();
    let digest = "ab".repeat(32);
    let whole = format!("/v1/records/{REPLICA}/attachments/{digest}");
    for (path, media_type, name) in [
        (whole.clone(), "image/png", "abababababababab.png"),
        (
            format!("{whole}/thumbnail"),
            "image/jpeg",
            "abababababababab.jpg",
        ),
    ] {
        let reply = harness.ask(get(&path)).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, CONTENT));
        assert_eq!(reply.header("content-type"), media_type);
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.ends_with("; sandbox"),
            "{policy}"
        );
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(reply.header("content-disposition"), disposition);
        assert_eq!(reply.header("etag"), format!("\"{digest}\""));
        let mut request = get(&path);
        request
            .headers_mut()
            .insert("range", "bytes=4-6".parse().unwrap());
        let reply = harness.ask(request).await;
        assert_eq!(
            (reply.status, &reply.body[..]),
            (StatusCode::PARTIAL_CONTENT, &b"456"[..])
        );
        assert_eq!(
            reply.header("content-range"),
            format!("bytes 4-6/{}", CONTENT.len())
        );
        let mut request = get(&path);
        request
            .headers_mut()
            .insert("range", "bytes=9999-".parse().unwrap());
        assert_eq!(
            harness.ask(request).await.status,
            StatusCode::RANGE_NOT_SATISFIABLE
        );
    }
    let calls = harness.calls();
    for (record, digest) in [
        (REPLICA.to_string(), digest.to_uppercase()),
        (REPLICA.to_string(), "ab".repeat(31)),
        (REPLICA.to_string(), "..%2f..%2fcontrol.db".to_owned()),
        (REPLICA.simple().to_string(), digest),
    ] {
        let reply = harness
            .ask(get(&format!("/v1/records/{record}/attachments/{digest}")))
            .await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{digest}");
    }
    assert_eq!(harness.calls(), calls);
}
