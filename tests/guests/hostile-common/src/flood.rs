//! Logs without measure.

use std::io::{self, Write};

const LINE_BYTES: usize = 100;

/// Writes exactly so many bytes, in numbered lines.
///
/// # Errors
/// When the stream is closed before that; what the host drops silently is its business. The message says what is left.
pub fn flood(mut to: impl Write, bytes: usize) -> io::Result<()> {
    let mut left = bytes;
    let mut number = 0_u64;
    while left > 0 {
        number += 1;
        let mut line = format!("flood line {number} ");
        line.extend(std::iter::repeat_n('x', LINE_BYTES.saturating_sub(line.len() + 1)));
        line.push('\n');
        let piece = &line.as_bytes()[..line.len().min(left)];
        to.write_all(piece)
            .map_err(|error| io::Error::other(format!("the log was closed with {left} bytes left: {error}")))?;
        left -= piece.len();
    }
    to.flush()
}
