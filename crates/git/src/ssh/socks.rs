//! A way to an SSH server through a SOCKS 5 proxy (RFC 1928, RFC 1929).

use std::fmt;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;
const CONNECT: u8 = 1;
const DOMAIN_NAME: u8 = 3;

/// A SOCKS 5 proxy, which looks up the server's name itself. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct SshProxy {
    /// Name or address of the proxy, the latter without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password, if it asks for them; at most 255 bytes each.
    pub credentials: Option<(String, String)>,
}

impl SshProxy {
    /// Opens a connection to `host` through the proxy.
    pub(super) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        self.log_in(&mut stream).await?;
        let length = u8::try_from(host.len()).map_err(|_| failed("the server's name is too long"))?;
        let mut request = vec![VERSION, CONNECT, 0, DOMAIN_NAME, length];
        request.extend_from_slice(host.as_bytes());
        request.extend_from_slice(&port.to_be_bytes());
        stream.write_all(&request).await?;
        let [version, status, _, kind] = read(&mut stream).await?;
        if version != VERSION {
            return Err(failed("it does not speak SOCKS 5"));
        }
        if status != 0 {
            return Err(failed(refusal(status)));
        }
        // The address that the proxy uses on its other side says nothing of interest, but stands before what follows.
        let length = match kind {
            1 => 4,
            4 => 16,
            DOMAIN_NAME => usize::from(u8::from_be_bytes(read(&mut stream).await?)),
            _ => return Err(failed("its answer cannot be read")),
        };
        let mut address = vec![0; length + 2];
        stream.read_exact(&mut address).await?;
        Ok(stream)
    }

    async fn log_in(&self, stream: &mut TcpStream) -> io::Result<()> {
        let methods: &[u8] = match self.credentials {
            None => &[VERSION, 1, NO_AUTHENTICATION],
            Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USERNAME_PASSWORD],
        };
        stream.write_all(methods).await?;
        let [version, method] = read(stream).await?;
        if version != VERSION {
            return Err(failed("it does not speak SOCKS 5"));
        }
        match (method, &self.credentials) {
            (NO_AUTHENTICATION, _) => Ok(()),
            (USERNAME_PASSWORD, Some((username, password))) => {
                let mut request = vec![1];
                for part in [username, password] {
                    let length = u8::try_from(part.len());
                    request
                        .push(length.map_err(|_| failed("user name or password is longer than 255 bytes"))?);
                    request.extend_from_slice(part.as_bytes());
                }
                stream.write_all(&request).await?;
                let [_, status] = read(stream).await?;
                if status == 0 {
                    Ok(())
                } else {
                    Err(failed("it does not accept user name and password"))
                }
            }
            (NONE_ACCEPTABLE, None) => Err(failed("it asks for a user name and a password")),
            _ => Err(failed("it accepts no way to log in that is known here")),
        }
    }
}

impl fmt::Debug for SshProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SshProxy({}:{})", self.host, self.port)
    }
}

async fn read<const LENGTH: usize>(stream: &mut TcpStream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn failed(problem: &'static str) -> io::Error {
    io::Error::other(problem)
}

/// The words of RFC 1928, section 6.
fn refusal(status: u8) -> &'static str {
    match status {
        2 => "it does not allow connections to the server",
        3 => "it cannot reach the server's network",
        4 => "it cannot reach the server",
        5 => "the server refuses its connection",
        6 => "its connection to the server timed out",
        _ => "it failed to connect to the server",
    }
}
