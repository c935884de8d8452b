//! One Git command on a server, as a blocking reader and writer.

use super::Ssh;
use super::connection::Connection;
use crate::remote::RemoteFailure;
use crate::remote::url::SshLocation;
use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

/// Most bytes of a server's standard error that are kept.
const LONGEST_MESSAGE: usize = 8 * 1024;

/// Most bytes that are taken in while we still write; a server that sends more before it has read everything waits.
const MOST_PENDING: usize = 64 << 20;

/// Bytes that are sent in one step: the time limit holds for each step.
const STEP: usize = 1 << 18;

/// A command that runs on the server. It ends with this value.
pub(crate) struct SshSession {
    ssh: Ssh,
    read: ChannelReadHalf,
    write: Arc<ChannelWriteHalf<Msg>>,
    inbox: Inbox,
    /// Whether the connection was made for it.
    pub(super) is_first: bool,
    location: SshLocation,
    _connection: Arc<Connection>,
}

/// What came from the server.
#[derive(Default)]
struct Inbox {
    data: VecDeque<Bytes>,
    bytes: usize,
    stderr: Vec<u8>,
    exit: Option<u32>,
    has_output: bool,
    end: End,
}

/// How far a command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum End {
    #[default]
    Running,
    /// No data follows, but perhaps the exit status.
    NoData,
    /// Nothing follows.
    Closed,
    /// The server does not run the command.
    Refused,
}

impl SshSession {
    pub(super) fn open(
        ssh: &Ssh,
        connection: &Arc<Connection>,
        location: &SshLocation,
        command: &str,
        version_2: bool,
    ) -> Result<Self, RemoteFailure> {
        // The path was checked when the URL was read: it holds no quote.
        let command = format!("{command} '{}'", location.path);
        let channel = wait(ssh, async {
            let channel = connection.channel().await?;
            if version_2 {
                channel.set_env(false, "GIT_PROTOCOL", "version=2").await?;
            }
            channel.exec(true, command).await?;
            Ok(channel)
        })
        .map_err(|error| RemoteFailure::Unreachable {
            host: location.address(),
            detail: format!("no SSH session: {error}"),
        })?;
        let (read, write) = channel.split();
        Ok(Self {
            ssh: ssh.clone(),
            read,
            write: Arc::new(write),
            inbox: Inbox::default(),
            is_first: false,
            location: location.clone(),
            _connection: Arc::clone(connection),
        })
    }

    /// Whether the connection was made for this command, so that a new one would fare no better.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Host, and port where it is not 22.
    pub(crate) fn host(&self) -> String {
        self.location.address()
    }

    /// Sends bytes, and takes in what the server sends meanwhile: with both sides writing, neither would read.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self {
            ssh,
            read,
            write,
            inbox,
            ..
        } = self;
        for step in bytes.chunks(STEP) {
            let step = Bytes::copy_from_slice(step);
            wait(ssh, async {
                let sending = write.data_bytes(step);
                tokio::pin!(sending);
                loop {
                    tokio::select! {
                        outcome = &mut sending => return outcome,
                        message = read.wait(), if inbox.end < End::Closed && inbox.bytes < MOST_PENDING => inbox.take(message),
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Waits until the command says something; `false` when it ended without a word.
    pub(crate) fn wait_for_output(&mut self) -> io::Result<bool> {
        while !self.inbox.has_output && self.inbox.end == End::Running {
            self.next()?;
        }
        Ok(self.inbox.has_output)
    }

    /// Why the server ended the command before it said anything; `None` when it did say something, or just went away.
    ///
    /// Servers explain themselves on standard error: a repository that is not there, a key that may only read.
    pub(crate) fn refusal(&mut self, action: &'static str) -> Option<RemoteFailure> {
        if self.inbox.has_output {
            return None;
        }
        while self.inbox.end < End::Closed {
            self.next().ok()?;
        }
        let status = self.inbox.exit.unwrap_or_default();
        if status == 0 && self.inbox.end != End::Refused {
            return None;
        }
        let mut message = crate::text::line(&self.inbox.stderr);
        if message.is_empty() {
            message = if self.inbox.end == End::Refused {
                "it does not run the command".to_owned()
            } else {
                format!("status {status} without a word")
            };
        }
        Some(RemoteFailure::Denied {
            url: self.location.to_string(),
            action,
            message,
        })
    }

    /// Waits for the next message.
    fn next(&mut self) -> io::Result<()> {
        let Self { ssh, read, inbox, .. } = self;
        let message = wait(ssh, async { Ok(read.wait().await) })?;
        inbox.take(message);
        Ok(())
    }
}

impl Drop for SshSession {
    fn drop(&mut self) {
        // The connection stays for the next command, so the server must hear that this one is over.
        let write = Arc::clone(&self.write);
        self.ssh.runtime.spawn(async move {
            write.eof().await.ok();
            write.close().await.ok();
        });
    }
}

impl Read for SshSession {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(first) = self.inbox.data.front_mut() {
                let count = first.len().min(buffer.len());
                let part = first.split_to(count);
                if first.is_empty() {
                    self.inbox.data.pop_front();
                }
                self.inbox.bytes -= count;
                if let Some(target) = buffer.get_mut(..count) {
                    target.copy_from_slice(&part);
                }
                return Ok(count);
            }
            if self.inbox.end > End::Running {
                return Ok(0);
            }
            self.next()?;
        }
    }
}

impl Inbox {
    fn take(&mut self, message: Option<ChannelMsg>) {
        match message {
            Some(ChannelMsg::Data { data }) if !data.is_empty() => {
                self.has_output = true;
                self.bytes += data.len();
                self.data.push_back(data);
            }
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                let room = LONGEST_MESSAGE.saturating_sub(self.stderr.len());
                self.stderr.extend_from_slice(data.get(..room).unwrap_or(&data));
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.exit = Some(exit_status),
            Some(ChannelMsg::ExitSignal { .. }) => self.exit = Some(u32::MAX),
            Some(ChannelMsg::Failure) => self.end = End::Refused,
            Some(ChannelMsg::Eof) => self.end = self.end.max(End::NoData),
            Some(ChannelMsg::Close) | None => self.end = self.end.max(End::Closed),
            Some(_) => {}
        }
    }
}

/// Waits on this thread, but not longer than the idle time.
fn wait<T>(ssh: &Ssh, work: impl Future<Output = Result<T, russh::Error>>) -> io::Result<T> {
    let outcome = ssh.wait(ssh.idle_timeout, work);
    outcome
        .map_err(|reason| io::Error::new(io::ErrorKind::TimedOut, reason))?
        .map_err(|error| {
            io::Error::new(
                io::ErrorKind::BrokenPipe,
                crate::text::line(error.to_string().as_bytes()),
            )
        })
}
