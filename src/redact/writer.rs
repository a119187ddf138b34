use std::io::{self, Write};

use super::Redactor;

/// Passes whole lines on, redacted. What is left without an end of line follows when it is dropped.
///
/// For logs: `with_writer(move || RedactingWriter::new(std::io::stderr(), redactor.clone()))`.
pub struct RedactingWriter<W: Write> {
    inner: W,
    redactor: Redactor,
    line: Vec<u8>,
}

impl<W: Write> RedactingWriter<W> {
    /// Writes to `inner` what `redactor` leaves.
    pub fn new(inner: W, redactor: Redactor) -> Self {
        Self {
            inner,
            redactor,
            line: Vec::new(),
        }
    }

    fn pass(&mut self, lines: &[u8]) -> io::Result<()> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let (text, end) = match line.strip_suffix(b"\n") {
                Some(text) => (text, "\n"),
                None => (line, ""),
            };
            let clean = self.redactor.text(&String::from_utf8_lossy(text));
            self.inner.write_all(clean.as_bytes())?;
            self.inner.write_all(end.as_bytes())?;
        }
        Ok(())
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            // A secret may go on in what follows the last end of line: it waits.
            let rest = self
                .line
                .split_off(self.line.len() - (bytes.len() - end - 1));
            let lines = std::mem::replace(&mut self.line, rest);
            self.pass(&lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        let rest = std::mem::take(&mut self.line);
        // Nobody is left to be told, and a log that cannot be written stops nothing.
        let _ = self.pass(&rest).and_then(|()| self.inner.flush());
    }
}
