//! Keeps a connection whose client sends fast from occupying the worker.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::{spawn, task::JoinHandle};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};

/// How much of a connection is read before other connections get their turn. Compressed heads can cost a hundred
/// nanoseconds per byte.
const TURN: usize = 8 << 10;

/// A connection that lets others have their turn, however fast its client sends.
pub(super) struct Turns<T> {
    io: T,
    /// The bytes that were read since the last turn of others.
    read: usize,
    /// Ends when others have had their turn. It is a task, because the connection's own task is woken for other reasons
    /// too: h2 wakes it for each answer.
    others: Option<JoinHandle<()>>,
}

impl<T> Turns<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, read: 0, others: None }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Turns<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            // It is woken after the worker has looked for new input. A task that wakes itself would run dozens of times
            // before that.
            self.others = Some(spawn(yield_now()));
        }
        if let Some(others) = &mut self.others {
            // It fails only if the worker ends.
            let _ = ready!(Pin::new(others).poll(context));
            self.others = None;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_pending() {
            self.read = 0;
        }
        ready!(read)?;
        self.read = self.read.saturating_add(buffer.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Turns<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{Future as _, poll_fn},
        pin::pin,
        rc::Rc,
    };

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, repeat},
        net::UnixStream,
    };

    use super::*;

    #[actix_rt::test]
    async fn a_connection_that_always_has_data_lets_others_have_their_turn() {
        let turns = Rc::new(Cell::new(0));
        let counter = Rc::clone(&turns);
        let flood = spawn(async move {
            let mut connection = Turns::new(repeat(0));
            let mut buffer = vec![0; TURN];
            poll_fn(|context| {
                // As h2 does.
                context.waker().wake_by_ref();
                while let Poll::Ready(read) = pin!(connection.read_exact(&mut buffer)).poll(context) {
                    read.unwrap();
                    counter.set(counter.get() + 1);
                }
                Poll::<()>::Pending
            })
            .await;
        });
        let (mut client, mut server) = UnixStream::pair().unwrap();
        for request in 0..100 {
            client.write_u8(request).await.unwrap();
            let before = turns.get();
            assert_eq!(server.read_u8().await.unwrap(), request);
            assert!(turns.get() - before <= 2, "{} turns", turns.get() - before);
        }
        assert!(turns.get() > 0);
        flood.abort();
    }
}
