//! How much things weigh in the fast world, where nothing is ever made of bytes.

use unplug_reconnect::wire::exec::{Message, Notification, Reply, Request};

use crate::host::Payload;
use crate::worlds::net::Load;

/// About how many bytes a load has on the wire: enough for windows and bandwidths, which are never asserted to the byte
/// in this world.
pub(super) fn size(load: &Load) -> usize {
    match load {
        Load::Frame { payload, .. } => payload_size(payload),
        Load::Upgrade(_) => 400,
        Load::Answer(_) => 200,
        Load::Close { .. } => 8,
        Load::Fin => 0,
    }
}

fn payload_size(payload: &Payload) -> usize {
    /// A message without its bytes.
    const BARE: usize = 120;
    let base64 = |bytes: usize| bytes.div_ceil(3) * 4;
    match payload {
        Payload::Message(message) => match message {
            Message::Request {
                request: Request::Write(params),
                ..
            } => BARE + base64(params.chunk.len()),
            Message::Notification(Notification::Output(params)) => BARE + base64(params.output.chunk.len()),
            Message::Response {
                reply: Reply::Read(read),
                ..
            } => {
                read.chunks
                    .iter()
                    .map(|output| 60 + base64(output.chunk.len()))
                    .sum::<usize>()
                    + BARE
            }
            Message::Request { .. }
            | Message::Notification(_)
            | Message::Response { .. }
            | Message::Error { .. } => BARE,
        },
        Payload::Text(text) => text.len(),
        Payload::Ping | Payload::Pong => 6,
        Payload::Connect(_) | Payload::ConnectReply { .. } => 400,
    }
}
