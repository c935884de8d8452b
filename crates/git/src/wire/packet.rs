//! Packet lines and side bands (gitprotocol-common, gitprotocol-pack).

use std::io::{self, Read};

/// Longest payload of a packet line (65520 bytes with the length in front).
const LONGEST_PAYLOAD: usize = 65516;

/// Most bytes of progress text that are kept from one answer.
const LONGEST_MESSAGES: usize = 64 * 1024;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Data(Vec<u8>),
    Flush,
    Delimiter,
    ResponseEnd,
}

/// Appends one packet line; `payload` is one of ours and short.
pub(crate) fn write_line(out: &mut Vec<u8>, payload: impl AsRef<[u8]>) {
    let payload = payload.as_ref();
    debug_assert!(payload.len() <= LONGEST_PAYLOAD);
    out.extend_from_slice(format!("{:04x}", payload.len() + 4).as_bytes());
    out.extend_from_slice(payload);
}

/// Appends a flush packet.
pub(crate) fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends a delimiter packet.
pub(crate) fn write_delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// Reads one packet; the end of the stream is an error of kind `UnexpectedEof`.
pub(crate) fn read(input: &mut impl Read) -> io::Result<Packet> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = std::str::from_utf8(&length)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a packet line has no length"))?;
    match length {
        0 => Ok(Packet::Flush),
        1 => Ok(Packet::Delimiter),
        2 => Ok(Packet::ResponseEnd),
        3 => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a packet line has length 3",
        )),
        _ if length - 4 > LONGEST_PAYLOAD => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a packet line is longer than 65520 bytes",
        )),
        _ => {
            let mut payload = vec![0; length - 4];
            input.read_exact(&mut payload)?;
            Ok(Packet::Data(payload))
        }
    }
}

/// Removes the line feed that may end a text packet.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Reads band 1 of a side-band stream up to its flush packet, and keeps what the other bands say.
pub(crate) struct SideBand<R> {
    input: R,
    payload: Vec<u8>,
    position: usize,
    ended: bool,
    messages: Vec<u8>,
    fatal: Option<Vec<u8>>,
}

impl<R: Read> SideBand<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            payload: Vec::new(),
            position: 0,
            ended: false,
            messages: Vec::new(),
            fatal: None,
        }
    }

    /// The text of band 2 so far, bounded.
    pub(crate) fn messages(&self) -> &[u8] {
        &self.messages
    }

    /// The error text of band 3, after which nothing follows.
    pub(crate) fn fatal(&self) -> Option<&[u8]> {
        self.fatal.as_deref()
    }

    fn next_payload(&mut self) -> io::Result<()> {
        while !self.ended && self.position >= self.payload.len() {
            match read(&mut self.input)? {
                Packet::Data(payload) => match payload.first() {
                    Some(1) => {
                        self.payload = payload;
                        self.position = 1;
                    }
                    Some(2) => {
                        let room = LONGEST_MESSAGES.saturating_sub(self.messages.len());
                        let text = payload.get(1..).unwrap_or_default();
                        self.messages.extend_from_slice(text.get(..room).unwrap_or(text));
                    }
                    Some(3) => {
                        self.ended = true;
                        self.fatal = Some(payload.get(1..).unwrap_or_default().to_vec());
                        return Err(io::Error::other("the server reported an error"));
                    }
                    // Some servers keep a connection alive with empty packets.
                    None => {}
                    Some(_) => {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "a side band has no known number",
                        ));
                    }
                },
                Packet::Flush | Packet::ResponseEnd => self.ended = true,
                Packet::Delimiter => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a side band holds a delimiter",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for SideBand<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next_payload()?;
        let available = self.payload.get(self.position..).unwrap_or_default();
        let count = available.len().min(buffer.len());
        if let (Some(target), Some(source)) = (buffer.get_mut(..count), available.get(..count)) {
            target.copy_from_slice(source);
        }
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn line(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_line(&mut out, payload);
        out
    }

    #[test]
    fn packets_are_read_as_they_were_written() {
        let mut out = line(b"want\n");
        write_delimiter(&mut out);
        write_flush(&mut out);
        let mut input = out.as_slice();
        assert_eq!(read(&mut input).unwrap(), Packet::Data(b"want\n".to_vec()));
        assert_eq!(read(&mut input).unwrap(), Packet::Delimiter);
        assert_eq!(read(&mut input).unwrap(), Packet::Flush);
        assert_eq!(read(&mut input).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[rstest]
    #[case(b"zzzz")]
    #[case(b"0003")]
    #[case(b"fffff")]
    #[case(b"+00a12345")]
    #[case(b"0009ab")]
    fn a_malformed_packet_is_an_error(#[case] bytes: &[u8]) {
        assert!(read(&mut &*bytes).is_err());
    }

    #[test]
    fn a_side_band_is_taken_apart() {
        let mut out = line(b"\x01pack");
        out.extend(line(b"\x02hello\n"));
        out.extend(line(b""));
        out.extend(line(b"\x01"));
        out.extend(line(b"\x01 data"));
        write_flush(&mut out);
        let mut band = SideBand::new(out.as_slice());
        let mut data = Vec::new();
        band.read_to_end(&mut data).unwrap();
        assert_eq!(
            (data.as_slice(), band.messages()),
            (&b"pack data"[..], &b"hello\n"[..])
        );
    }

    #[test]
    fn band_three_ends_the_stream_with_its_text() {
        let mut out = line(b"\x01pack");
        out.extend(line(b"\x03no space left"));
        let mut band = SideBand::new(out.as_slice());
        assert!(band.read_to_end(&mut Vec::new()).is_err());
        assert_eq!(band.fatal(), Some(&b"no space left"[..]));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut data = Vec::new();
            SideBand::new(bytes.as_slice()).read_to_end(&mut data).ok();
            let mut input = bytes.as_slice();
            while read(&mut input).is_ok() {}
        }
    }
}
