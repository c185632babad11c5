//! What runs on a turmoil host: the loop around its machine, and the tasks at the ends of its connections.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};
use unplug_reconnect::id::Purpose;

use super::agenda::Key;
use super::carrier::{Begin, Letter, Shared};
use super::line::Port;
use super::port::Handle;
use super::wire::Heard;
use crate::fault::{Dir, Side};
use crate::worlds::net::{End, Opened, Progress};

/// Where every server listens.
const PORT: u16 = 80;
/// How often a letter is opened again whose bytes are not written yet, a millisecond apart.
const TRIES: u32 = 20;

/// The name of a host in turmoil.
pub(super) fn name(host: usize) -> String {
    format!("h{host}")
}

/// The loop around a host's machine. Letters come in the order in which things happen, deadlines among them; what the
/// machine does about one is done when the next is opened, and nothing here awaits a socket's writes.
pub(super) async fn live(world: Shared, host: usize, listens: bool) -> turmoil::Result {
    if listens {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        spawn_local(accept(Rc::clone(&world), listener));
    }
    let bell = Rc::clone(&world.borrow().carrier.desks[host].bell);
    loop {
        let begins = std::mem::take(&mut world.borrow_mut().carrier.desks[host].begins);
        for begin in begins {
            spawn_local(connect(Rc::clone(&world), begin));
        }
        let next = world.borrow_mut().carrier.next_letter(host);
        match next {
            Some((key, letter)) => open(&world, host, key, letter).await,
            None => bell.notified().await,
        }
    }
}

async fn open(world: &Shared, host: usize, key: Key, letter: Letter) {
    let mut opened = world.borrow_mut().open(host, key, letter);
    let mut tries = 0;
    loop {
        match opened {
            Opened::Done => break,
            Opened::Unsent { conn, dir, version } if tries < TRIES => {
                tries += 1;
                sleep(Duration::from_millis(1)).await;
                let mut world = world.borrow_mut();
                world.clock(host, key.at);
                opened = world.on_arrive(conn, dir, version);
            }
            Opened::Unsent { conn, dir, .. } => {
                world.borrow_mut().skip(conn, dir);
                break;
            }
            Opened::Bytes { conn, dir } => {
                let patience = world.borrow().carrier.patience;
                let heard = timeout(patience, hear(world, host, conn, dir)).await;
                world.borrow_mut().land(conn, dir, heard.ok().flatten());
                break;
            }
        }
    }
    world.borrow_mut().carrier.desks[host].reading = None;
}

/// Waits for what the port makes of what has arrived.
async fn hear(world: &Shared, host: usize, conn: usize, dir: Dir) -> Option<Heard> {
    let bell = Rc::clone(&world.borrow().carrier.desks[host].bell);
    loop {
        {
            let mut world = world.borrow_mut();
            let endpoint = world.conns[conn].line.endpoint(dir.receiver());
            let heard = endpoint.heard.pop_front();
            if heard.is_some() || endpoint.port == Port::Ended {
                return heard;
            }
        }
        bell.notified().await;
    }
}

/// Accepts whoever connects. The first bytes of a stream say which connection it is.
async fn accept(world: Shared, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn_local(keep_server(Rc::clone(&world), stream));
    }
}

async fn keep_server(world: Shared, mut stream: TcpStream) {
    let (Ok(conn), Ok(port)) = (stream.read_u32().await, stream.read_u32().await) else {
        return;
    };
    let conn = conn as usize;
    let handle = Handle {
        world,
        conn,
        side: Side::Server,
    };
    let purpose = {
        let mut world = handle.world.borrow_mut();
        let conn = &mut world.conns[conn];
        if conn.line.endpoint(Side::Client).ports != port || conn.end(Side::Server) != End::Open {
            return;
        }
        conn.id.purpose()
    };
    handle.set(Port::Live);
    match purpose {
        Purpose::Session => handle.session_server(stream).await,
        Purpose::Fetch => handle.fetch_server(stream).await,
    }
    handle.set(Port::Ended);
}

/// Connects, and keeps the dialer's end once the dial has cost what it costs.
async fn connect(world: Shared, begin: Begin) {
    let Begin { conn, port, server } = begin;
    let Ok(mut stream) = TcpStream::connect((name(server), PORT)).await else {
        return;
    };
    let Ok(tag) = u32::try_from(conn) else { return };
    if stream.write_u32(tag).await.is_err() || stream.write_u32(port).await.is_err() {
        return;
    }
    let handle = Handle {
        world,
        conn,
        side: Side::Client,
    };
    let bell = handle.bell();
    let purpose = loop {
        {
            let mut world = handle.world.borrow_mut();
            let conn = &mut world.conns[conn];
            if conn.line.endpoint(Side::Client).ports != port || conn.end(Side::Client) != End::Open {
                return;
            }
            if conn.progress != Progress::Connecting {
                break conn.id.purpose();
            }
        }
        bell.notified().await;
    };
    handle.set(Port::Live);
    match purpose {
        Purpose::Session => handle.session_client(stream).await,
        Purpose::Fetch => handle.fetch_client(stream).await,
    }
    handle.set(Port::Ended);
}
