//! A part of a file as a response body, read in pieces beside the async threads, so that memory stays constant.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

/// How much is read at a time.
const PIECE_BYTES: u64 = 64 << 10;

/// `length` bytes of the file from `from` on. A file that ends early breaks the answer off, so that nobody takes it for whole.
pub(super) fn file_body(file: File, from: u64, length: u64) -> Body {
    Body::from_stream(stream::try_unfold(
        (file, from, length),
        |(file, from, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let piece = left.min(PIECE_BYTES);
            let read = tokio::task::spawn_blocking(move || read_piece(file, from, piece))
                .await
                .map_err(io::Error::other)?;
            let (file, bytes) = read?;
            Ok::<_, io::Error>(Some((bytes, (file, from + piece, left - piece))))
        },
    ))
}

fn read_piece(mut file: File, from: u64, length: u64) -> io::Result<(File, Bytes)> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(from))?;
    file.read_exact(&mut bytes)?;
    Ok((file, bytes.into()))
}
