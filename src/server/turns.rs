//! Keeps a connection whose client sends fast from occupying the worker.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::{spawn, task::JoinHandle};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take},
    task::yield_now,
};

/// How much of a connection is read in one turn. Requests can be as short as 40 bytes, and cost tens of microseconds;
/// compressed heads of HTTP/2 cost up to a hundred nanoseconds per byte.
const INPUT: u64 = 4 << 10;

/// How much is written in one turn: more than most responses have.
const OUTPUT: usize = 256 << 10;

/// A connection that lets others have their turn, however fast its client sends and receives.
pub(super) struct Turns<T> {
    /// Its limit is what may still be read in this turn.
    io: Take<T>,
    /// What was written in this turn.
    written: usize,
    /// Ends when others have had their turn. It is a task, because the connection's own task is woken for other reasons
    /// too: h2 wakes it for each answer.
    others: Option<JoinHandle<()>>,
}

impl<T: AsyncRead + Unpin> Turns<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io: io.take(INPUT), written: 0, others: None }
    }

    /// After a turn, waits until others had theirs: the task ends after the worker has looked for new input. A connection
    /// that only woke itself would have dozens of turns before that. To wait for the client does not end a turn, because
    /// that can be over at once.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.io.limit() == 0 || self.written >= OUTPUT {
            self.io.set_limit(INPUT);
            self.written = 0;
            self.others = Some(spawn(yield_now()));
        }
        if let Some(others) = &mut self.others {
            // It fails only if the worker ends.
            let _ = ready!(Pin::new(others).poll(context));
            self.others = None;
        }
        Poll::Ready(())
    }

    /// Counts what was written.
    fn count(&mut self, written: usize) -> usize {
        self.written = self.written.saturating_add(written);
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Turns<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(context));
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Turns<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let written = Pin::new(self.io.get_mut()).poll_write(context, bytes);
        written.map_ok(|bytes| self.count(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io.get_mut()).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io.get_mut()).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let written = Pin::new(self.io.get_mut()).poll_write_vectored(context, parts);
        written.map_ok(|bytes| self.count(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.get_ref().is_write_vectored()
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
        io::{AsyncWriteExt as _, Join, Repeat, Sink, join, repeat, sink},
        net::UnixStream,
    };

    use super::*;

    type Flooded = Turns<Join<Repeat, Sink>>;

    /// How many bytes a connection that always has more to do transfers at most while another one waits for one byte.
    async fn longest_wait(
        transfer: impl Fn(&mut Flooded, &mut Context<'_>) -> Poll<usize> + 'static,
    ) -> usize {
        let transferred = Rc::new(Cell::new(0));
        let counter = Rc::clone(&transferred);
        let flood = spawn(async move {
            let mut connection = Turns::new(join(repeat(0), sink()));
            poll_fn(|context| {
                // As h2 does.
                context.waker().wake_by_ref();
                while let Poll::Ready(bytes) = transfer(&mut connection, context) {
                    counter.set(counter.get() + bytes);
                }
                Poll::<()>::Pending
            })
            .await;
        });
        let (mut client, mut server) = UnixStream::pair().unwrap();
        let mut longest = 0;
        for request in 0..100 {
            client.write_u8(request).await.unwrap();
            let before = transferred.get();
            assert_eq!(server.read_u8().await.unwrap(), request);
            longest = longest.max(transferred.get() - before);
        }
        flood.abort();
        longest
    }

    #[actix_rt::test]
    async fn a_client_that_always_sends_lets_others_have_their_turn() {
        let read = longest_wait(|connection, context| {
            let mut buffer = [0; 1 << 10];
            pin!(connection.read(&mut buffer)).poll(context).map(Result::unwrap)
        });
        let read = read.await;
        assert!((4 << 10..=8 << 10).contains(&read), "{read} bytes");
    }

    #[actix_rt::test]
    async fn a_client_that_always_receives_lets_others_have_their_turn() {
        let written = longest_wait(|connection, context| {
            pin!(connection.write(&[0; 1 << 10])).poll(context).map(Result::unwrap)
        });
        let written = written.await;
        assert!((256 << 10..=512 << 10).contains(&written), "{written} bytes");
    }
}
