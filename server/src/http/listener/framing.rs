//! Finds heads that have both Content-Length and Transfer-Encoding: hyper drops the former, so that handlers do not see it.

/// The longest name that is searched for.
const LONGEST: usize = TRANSFER_ENCODING.len();
const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// The lines of one head, as far as it has arrived.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub struct Framing {
    /// The beginning of the current line, in lower case, until its colon.
    name: Vec<u8>,
    is_name_complete: bool,
    is_line_empty: bool,
    has_request_line: bool,
    is_complete: bool,
    has_length: bool,
    has_coding: bool,
}

impl Framing {
    /// At the beginning of a head.
    pub fn new() -> Self {
        Self { is_line_empty: true, ..Self::default() }
    }

    pub const fn has_two_lengths(&self) -> bool {
        self.has_length && self.has_coding
    }

    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.is_complete {
                return;
            }
            self.read_byte(*byte);
        }
    }

    fn read_byte(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            b'\r' => {}
            b':' if !self.is_name_complete => {
                self.has_length |= self.name == CONTENT_LENGTH;
                self.has_coding |= self.name == TRANSFER_ENCODING;
                (self.is_name_complete, self.is_line_empty) = (true, false);
            }
            _ => {
                self.is_line_empty = false;
                if self.name.len() <= LONGEST && !self.is_name_complete {
                    self.name.push(byte.to_ascii_lowercase());
                }
            }
        }
    }

    fn end_line(&mut self) {
        // Empty lines before a request are ignored (RFC 9112, 2.2).
        self.is_complete = self.is_line_empty && self.has_request_line;
        self.has_request_line |= !self.is_line_empty;
        self.name.clear();
        (self.is_name_complete, self.is_line_empty) = (false, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_two(head: &str) -> bool {
        let (mut whole, mut bytes) = (Framing::new(), Framing::new());
        whole.read(head.as_bytes());
        head.bytes().for_each(|byte| bytes.read(&[byte]));
        assert_eq!(whole.has_two_lengths(), bytes.has_two_lengths(), "{head:?}");
        whole.has_two_lengths()
    }

    #[test]
    fn both_headers_of_one_head_are_found_in_any_order_and_case() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\nHost: x\r\ncontent-length: 1\r\n\r\n",
            "\r\n\nPOST / HTTP/1.1\nContent-Length: 1\nTransfer-Encoding: chunked\n\n",
        ] {
            assert!(has_two(head), "{head:?}");
        }
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nTransfer-Encoding: chunked\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Content-Length: 1\r\nContent-Lengths: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: Content-Length: 1\r\n\r\n",
        ] {
            assert!(!has_two(head), "{head:?}");
        }
    }
}
