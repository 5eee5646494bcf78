//! The order in which passwords are hashed: client addresses take turns, and so do the user names of one
//! address.

use std::{collections::VecDeque, net::IpAddr};

use crate::http::client_address::ClientAddress;

/// Who asks for a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    network: IpAddr,
    name: String,
}

impl Requester {
    /// A client, and the user name that it sent.
    pub fn new(client: ClientAddress, name: &str) -> Self {
        Self { network: client.network(), name: name.to_owned() }
    }
}

/// A bounded queue. Each address is served once per round, whatever the number of its entries. When the queue
/// is full, the address with the most entries loses one to an address with fewer.
///
/// Removing and counting are linear in the number of entries, which is small compared to the cost of a hash.
#[derive(Debug)]
pub(super) struct Queue<T> {
    capacity: usize,
    next_id: u64,
    /// The next one to be served is the first. None is empty.
    clients: VecDeque<Client<T>>,
}

#[derive(Debug)]
struct Client<T> {
    network: IpAddr,
    /// The next one to be served is the first. None is empty.
    names: VecDeque<Name<T>>,
}

#[derive(Debug)]
struct Name<T> {
    name: String,
    /// With their ids, oldest first.
    entries: VecDeque<(u64, T)>,
}

impl<T> Queue<T> {
    /// A queue of at most `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, next_id: 0, clients: VecDeque::new() }
    }

    /// Adds an entry and returns its id. `None` if the queue is full and no other requester has more entries.
    pub(super) fn push(&mut self, requester: Requester, value: T) -> Option<u64> {
        if self.len() >= self.capacity && !self.make_room(&requester) {
            return None;
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let Requester { network, name } = requester;
        let entry = (id, value);
        match self.clients.iter_mut().find(|client| client.network == network) {
            Some(client) => match client.names.iter_mut().find(|known| known.name == name) {
                Some(name) => name.entries.push_back(entry),
                None => client.names.push_back(Name::new(name, entry)),
            },
            None => {
                self.clients.push_back(Client { network, names: [Name::new(name, entry)].into() });
            }
        }
        Some(id)
    }

    /// Takes the next entry.
    pub(super) fn pop(&mut self) -> Option<T> {
        let mut client = self.clients.pop_front()?;
        let mut name = client.names.pop_front()?;
        let (_, value) = name.entries.pop_front()?;
        if !name.entries.is_empty() {
            client.names.push_back(name);
        }
        if !client.names.is_empty() {
            self.clients.push_back(client);
        }
        Some(value)
    }

    /// Removes an entry, if it is still there.
    pub(super) fn remove(&mut self, id: u64) {
        for client in &mut self.clients {
            for name in &mut client.names {
                name.entries.retain(|(entry, _)| *entry != id);
            }
        }
        self.remove_empty();
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.clients.iter().map(Client::len).sum()
    }

    /// Drops the newest entry of the address with the most entries, if `requester` still has fewer with one
    /// more; otherwise the newest entry of another name of its own address, by the same rule.
    fn make_room(&mut self, requester: &Requester) -> bool {
        let own = self.clients.iter().find(|client| client.network == requester.network);
        let own_len = own.map_or(0, Client::len);
        let own_name = own.and_then(|client| client.names.iter().find(|name| name.name == requester.name));
        let own_name_len = own_name.map_or(0, |name| name.entries.len());

        let largest = self.clients.iter_mut().max_by_key(|client| client.len());
        let dropped = match largest {
            Some(largest) if own_len + 1 < largest.len() => largest.drop_newest(0),
            _ => self
                .clients
                .iter_mut()
                .find(|client| client.network == requester.network)
                .and_then(|client| client.drop_newest(own_name_len + 1)),
        };
        self.remove_empty();
        dropped.is_some()
    }

    fn remove_empty(&mut self) {
        for client in &mut self.clients {
            client.names.retain(|name| !name.entries.is_empty());
        }
        self.clients.retain(|client| !client.names.is_empty());
    }
}

impl<T> Client<T> {
    fn len(&self) -> usize {
        self.names.iter().map(|name| name.entries.len()).sum()
    }

    /// Removes the newest entry of the name with the most entries, if these are more than `least`.
    fn drop_newest(&mut self, least: usize) -> Option<(u64, T)> {
        let name = self.names.iter_mut().max_by_key(|name| name.entries.len())?;
        if name.entries.len() > least { name.entries.pop_back() } else { None }
    }
}

impl<T> Name<T> {
    fn new(name: String, entry: (u64, T)) -> Self {
        Self { name, entries: [entry].into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requester(address: &str, name: &str) -> Requester {
        Requester::new(ClientAddress(address.parse().unwrap()), name)
    }

    /// Adds `number` entries, named by their requester and their number, and returns how many were accepted.
    fn push(queue: &mut Queue<String>, address: &str, name: &str, number: usize) -> usize {
        let entry = |number| format!("{address} {name} {number}");
        (0..number).filter(|number| queue.push(requester(address, name), entry(*number)).is_some()).count()
    }

    fn drain(queue: &mut Queue<String>) -> Vec<String> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    /// How many entries of the address are in the queue.
    fn entries_of(queue: &Queue<String>, address: &str) -> usize {
        let entries = queue.clients.iter().flat_map(|client| &client.names).flat_map(|name| &name.entries);
        entries.filter(|(_, entry)| entry.starts_with(&format!("{address} "))).count()
    }

    #[test]
    fn addresses_take_turns() {
        let mut queue = Queue::new(100);
        push(&mut queue, "192.0.2.1", "ann", 4);
        push(&mut queue, "192.0.2.2", "ann", 2);
        push(&mut queue, "192.0.2.3", "ann", 1);
        let expected = [
            "192.0.2.1 ann 0",
            "192.0.2.2 ann 0",
            "192.0.2.3 ann 0",
            "192.0.2.1 ann 1",
            "192.0.2.2 ann 1",
            "192.0.2.1 ann 2",
            "192.0.2.1 ann 3",
        ];
        assert_eq!(drain(&mut queue), expected);
    }

    #[test]
    fn names_of_one_address_take_turns() {
        let mut queue = Queue::new(100);
        push(&mut queue, "192.0.2.1", "ann", 3);
        push(&mut queue, "192.0.2.1", "ben", 1);
        push(&mut queue, "192.0.2.2", "cem", 1);
        let expected =
            ["192.0.2.1 ann 0", "192.0.2.2 cem 0", "192.0.2.1 ben 0", "192.0.2.1 ann 1", "192.0.2.1 ann 2"];
        assert_eq!(drain(&mut queue), expected);
    }

    #[test]
    fn many_names_of_one_address_are_one_turn() {
        let mut queue = Queue::new(100);
        for name in 0..50 {
            push(&mut queue, "192.0.2.1", &format!("name{name}"), 1);
        }
        push(&mut queue, "192.0.2.2", "ann", 1);
        assert_eq!(drain(&mut queue)[1], "192.0.2.2 ann 0");
    }

    #[test]
    fn a_flood_from_one_address_delays_another_by_one_entry_at_most() {
        for (capacity, flood) in [(32, 33), (32, 200), (4, 200)] {
            let mut queue = Queue::new(capacity);
            assert_eq!(push(&mut queue, "192.0.2.1", "ann", flood), capacity);
            assert_eq!(push(&mut queue, "198.51.100.7", "ann", 1), 1);
            assert_eq!(queue.len(), capacity);
            assert_eq!(queue.pop().as_deref(), Some("192.0.2.1 ann 0"));
            assert_eq!(queue.pop().as_deref(), Some("198.51.100.7 ann 0"));
            // The newest one of the flood made room.
            let newest = format!("192.0.2.1 ann {}", capacity - 1);
            assert!(!drain(&mut queue).contains(&newest));
        }
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        let mut queue = Queue::new(8);
        for host in 1..=20 {
            push(&mut queue, &format!("2001:db8:0:1::{host:x}"), "ann", 1);
        }
        assert_eq!((queue.clients.len(), queue.len()), (1, 8));
        for network in 2..=4 {
            assert_eq!(push(&mut queue, &format!("2001:db8:0:{network}::1"), "ann", 1), 1);
        }
        assert_eq!(queue.clients.len(), 4);
        queue.pop();
        assert_eq!(queue.pop().as_deref(), Some("2001:db8:0:2::1 ann 0"));
    }

    #[test]
    fn a_full_queue_is_divided_among_the_addresses_that_ask() {
        let mut queue = Queue::new(12);
        push(&mut queue, "192.0.2.1", "ann", 50);
        push(&mut queue, "192.0.2.2", "ann", 50);
        push(&mut queue, "192.0.2.3", "ann", 50);
        push(&mut queue, "192.0.2.1", "ann", 50);
        let shares = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|address| entries_of(&queue, address));
        assert_eq!(shares.iter().sum::<usize>(), 12);
        assert!(shares.iter().all(|share| (3..=5).contains(share)), "{shares:?}");
    }

    #[test]
    fn a_full_queue_with_equal_shares_accepts_no_further_entry() {
        let mut queue = Queue::new(4);
        for host in 1..=4 {
            push(&mut queue, &format!("192.0.2.{host}"), "ann", 1);
        }
        assert_eq!(push(&mut queue, "192.0.2.5", "ann", 1), 0);
        // An entry never makes room for one that would then have as many.
        let mut queue = Queue::new(3);
        push(&mut queue, "192.0.2.1", "ann", 2);
        push(&mut queue, "192.0.2.2", "ann", 1);
        assert_eq!(push(&mut queue, "192.0.2.2", "ben", 1), 0);
        assert_eq!(entries_of(&queue, "192.0.2.1"), 2);
    }

    #[test]
    fn within_one_address_the_name_with_the_most_entries_makes_room() {
        let mut queue = Queue::new(8);
        push(&mut queue, "192.0.2.1", "ann", 8);
        assert_eq!(push(&mut queue, "192.0.2.1", "ben", 1), 1);
        assert_eq!(push(&mut queue, "192.0.2.1", "ann", 1), 0);
        let order = drain(&mut queue);
        assert_eq!(order[1], "192.0.2.1 ben 0");
        assert!(!order.contains(&"192.0.2.1 ann 7".to_owned()));
    }

    #[test]
    fn a_removed_entry_leaves_its_place_to_others() {
        let mut queue = Queue::new(2);
        let first = queue.push(requester("192.0.2.1", "ann"), "first").unwrap();
        let second = queue.push(requester("192.0.2.2", "ann"), "second").unwrap();
        assert_eq!(queue.push(requester("192.0.2.3", "ann"), "third"), None);
        queue.remove(first);
        queue.remove(first);
        assert!(queue.push(requester("192.0.2.3", "ann"), "third").is_some());
        assert_eq!(queue.pop(), Some("second"));
        queue.remove(second);
        assert_eq!((queue.pop(), queue.pop()), (Some("third"), None));
        assert!(queue.clients.is_empty());
    }
}
