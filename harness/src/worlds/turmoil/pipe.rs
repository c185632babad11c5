//! The pipe between a library and turmoil's TCP stream: an ordinary byte stream to the library.
//!
//! Every byte goes through turmoil, cut into segments by a seeded rule. A read gets no further than the parcels that
//! have arrived, however many bytes lie in turmoil's buffers, and ends or fails as the control block says. What
//! turmoil's own stream would tell of its end is never passed on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;
use unplug_reconnect::seed::{Rng, Seed};

use super::carrier::Shared;
use crate::fault::Side;

/// No segment has more bytes than Ethernet lets through.
const SEGMENT_MAX: u64 = 1460;

/// See the module's documentation.
pub(super) struct Pipe {
    world: Shared,
    conn: usize,
    side: Side,
    stream: TcpStream,
    segments: Rng,
}

impl Pipe {
    pub(super) fn new(world: Shared, conn: usize, side: Side, stream: TcpStream, seed: Seed) -> Self {
        let end = (conn as u64) << 1 | side as u64;
        Self {
            world,
            conn,
            side,
            stream,
            segments: Seed(seed.of("segments").draw(end)).rng(),
        }
    }

    /// Hands bytes to turmoil, cut into segments. A stream that turmoil has given up swallows them, as a network does.
    fn transmit(&mut self, mut bytes: &[u8], cx: &mut Context<'_>) {
        while !bytes.is_empty() {
            let most = usize::try_from(1 + self.segments.below(SEGMENT_MAX)).unwrap_or(1);
            let (segment, rest) = bytes.split_at(most.min(bytes.len()));
            let sent = Pin::new(&mut self.stream).poll_write(cx, segment);
            let Poll::Ready(Ok(_)) = sent else { return };
            bytes = rest;
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let dir = this.side.sends().back();
        let room = {
            let mut world = this.world.borrow_mut();
            let line = &mut world.conns[this.conn].line;
            if let Some(why) = line.endpoint(this.side).broken {
                return Poll::Ready(Err(why.into()));
            }
            let stream = line.stream_mut(dir);
            stream.reader = Some(cx.waker().clone());
            match stream.allowed - stream.taken {
                0 if stream.eof => return Poll::Ready(Ok(())),
                0 => return Poll::Pending,
                room => usize::try_from(room).unwrap_or(usize::MAX).min(buf.remaining()),
            }
        };
        let mut chunk = [0; SEGMENT_MAX as usize];
        let room = room.min(chunk.len());
        let mut chunk = ReadBuf::new(&mut chunk[..room]);
        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut chunk))?;
        if chunk.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        buf.put_slice(chunk.filled());
        this.world.borrow_mut().conns[this.conn]
            .line
            .stream_mut(dir)
            .taken += chunk.filled().len() as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let dir = this.side.sends();
        {
            let mut world = this.world.borrow_mut();
            let line = &mut world.conns[this.conn].line;
            let broken = line.endpoint(this.side).broken;
            let stream = line.stream_mut(dir);
            if stream.writing.is_none() {
                // What belongs to no parcel was dropped on its way; what the host sent before the end is on its way.
                return Poll::Ready(broken.map_or(Ok(bytes.len()), |why| Err(why.into())));
            }
            stream.written += bytes.len() as u64;
        }
        this.transmit(bytes, cx);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.world.borrow_mut().complete(self.conn, self.side.sends());
        Poll::Ready(Ok(()))
    }

    /// A FIN is a parcel of its own, which the host sends.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
