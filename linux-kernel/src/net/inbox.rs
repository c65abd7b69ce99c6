//! Bytes and messages that a socket has received and its program has not yet read.

use super::Received;
use crate::file::OpenFile;
use crate::fs::pipe::copy_out;
use linux_abi::socket::{MsgFlags, Ucred};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

/// A message, or a piece of a stream with what came along.
#[derive(Debug, Default)]
pub struct Parcel {
    /// Bytes not yet read.
    pub data: VecDeque<u8>,
    /// Sender's address, see [`Received::from`].
    pub from: Option<Vec<u8>>,
    /// Files passed along, which come with the first byte.
    pub rights: Vec<Rc<OpenFile>>,
    /// Sender.
    pub cred: Option<Ucred>,
}

/// Parcels in the order of their arrival.
///
/// Files taken out of an inbox are dropped by the caller, after the inbox is free again: closing one may come back
/// to the same socket.
#[derive(Default)]
pub struct Inbox {
    parcels: RefCell<VecDeque<Parcel>>,
    bytes: Cell<usize>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} bytes in {})", self.bytes.get(), self.len())
    }
}

impl Inbox {
    /// Bytes of all parcels.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Number of parcels.
    pub fn len(&self) -> usize {
        self.parcels.borrow().len()
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.parcels.borrow().is_empty()
    }

    /// Bytes of the first parcel.
    pub fn first_len(&self) -> usize {
        self.parcels.borrow().front().map_or(0, |parcel| parcel.data.len())
    }

    /// Adds a message.
    pub fn push(&self, parcel: Parcel) {
        self.bytes.set(self.bytes.get() + parcel.data.len());
        self.parcels.borrow_mut().push_back(parcel);
    }

    /// Adds bytes to a stream: to the last piece where the sender is the same and no files come along.
    pub fn push_stream(&self, data: &[u8], rights: Vec<Rc<OpenFile>>, cred: Option<Ucred>) {
        if data.is_empty() {
            return;
        }
        let mut parcels = self.parcels.borrow_mut();
        self.bytes.set(self.bytes.get() + data.len());
        match parcels.back_mut() {
            Some(last) if rights.is_empty() && last.rights.is_empty() && last.cred == cred => {
                last.data.extend(data)
            }
            _ => parcels.push_back(Parcel { data: data.iter().copied().collect(), from: None, rights, cred }),
        }
    }

    /// Reads bytes of a stream. Stops after a piece that brought files, and before another sender's (unix(7)).
    pub fn read_stream(&self, buf: &mut [u8], peek: bool) -> Received {
        let mut parcels = self.parcels.borrow_mut();
        let mut got = Received { cred: parcels.front().and_then(|first| first.cred), ..Received::default() };
        let mut at = 0;
        while got.len < buf.len() {
            let Some(parcel) = parcels.get_mut(at).filter(|parcel| parcel.cred == got.cred) else { break };
            let rest = &mut buf[got.len..];
            let count = rest.len().min(parcel.data.len());
            copy_out(&parcel.data, &mut rest[..count]);
            got.len += count;
            got.rights = if peek { parcel.rights.clone() } else { std::mem::take(&mut parcel.rights) };
            if peek {
                at += 1;
            } else {
                parcel.data.drain(..count);
                self.bytes.set(self.bytes.get() - count);
                if parcel.data.is_empty() {
                    parcels.pop_front();
                }
            }
            if !got.rights.is_empty() {
                break;
            }
        }
        got.full_len = got.len;
        got
    }

    /// Reads a message, of which the part that does not fit is lost.
    pub fn read_message(&self, buf: &mut [u8], peek: bool) -> Option<Received> {
        let mut parcels = self.parcels.borrow_mut();
        let first = parcels.front_mut()?;
        let full_len = first.data.len();
        let len = full_len.min(buf.len());
        copy_out(&first.data, &mut buf[..len]);
        let (from, rights) = if peek {
            (first.from.clone(), first.rights.clone())
        } else {
            (first.from.take(), std::mem::take(&mut first.rights))
        };
        let flags = if len < full_len { MsgFlags::TRUNC } else { MsgFlags::empty() };
        let got = Received { len, full_len, from, rights, cred: first.cred, flags };
        if !peek {
            parcels.pop_front();
            self.bytes.set(self.bytes.get() - full_len);
        }
        Some(got)
    }

    /// Drops everything.
    pub fn clear(&self) {
        let parcels = std::mem::take(&mut *self.parcels.borrow_mut());
        self.bytes.set(0);
        drop(parcels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<Ucred> = Some(Ucred { pid: 1, uid: 0, gid: 0 });
    const B: Option<Ucred> = Some(Ucred { pid: 2, uid: 0, gid: 0 });

    #[test]
    fn a_stream_read_stops_at_another_sender() {
        let inbox = Inbox::default();
        for (data, cred) in [("ab", A), ("cd", A), ("ef", B), ("", A)] {
            inbox.push_stream(data.as_bytes(), Vec::new(), cred);
        }
        let mut buf = [0; 16];
        let mut read = |len: usize, peek| {
            let got = inbox.read_stream(&mut buf[..len], peek);
            (String::from_utf8_lossy(&buf[..got.len]).into_owned(), got.cred, inbox.bytes())
        };
        assert_eq!(read(3, true), ("abc".into(), A, 6));
        assert_eq!(read(3, false), ("abc".into(), A, 3));
        assert_eq!(read(9, false), ("d".into(), A, 2));
        assert_eq!(read(9, false), ("ef".into(), B, 0));
        assert_eq!(read(9, false), ("".into(), None, 0));
    }

    #[test]
    fn messages_stay_apart_and_are_cut() {
        let inbox = Inbox::default();
        for data in ["abcd", "", "ef"] {
            inbox.push(Parcel { data: data.bytes().collect(), ..Parcel::default() });
        }
        let mut buf = [0; 3];
        for (peek, len, full_len, left) in
            [(true, 3, 4, 6), (false, 3, 4, 2), (false, 0, 0, 2), (false, 2, 2, 0)]
        {
            let got = inbox.read_message(&mut buf, peek).unwrap();
            assert_eq!((got.len, got.full_len, inbox.bytes()), (len, full_len, left));
            assert_eq!(got.flags.contains(MsgFlags::TRUNC), full_len > 3);
        }
        assert!(inbox.read_message(&mut buf, false).is_none());
    }
}
