use std::net::IpAddr;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn address(text: &str) -> Address {
    ip(text).into()
}

/// Two networks of IPv4, one of IPv6, and a gateway of each family.
fn config() -> Config {
    let ours = ["10.0.0.1", "192.168.7.1", "fd00::1", "fe80::1"];
    let mut config = Config::new([0; 32], ours.map(|text| AddressBlock::single(ip(text))));
    for route in [
        Route::on_link(ip("10.0.0.0"), 24).unwrap(),
        Route::on_link(ip("192.168.7.0"), 24).unwrap(),
        Route::on_link(ip("fd00::"), 64).unwrap(),
        Route::default_through(ip("10.0.0.254")),
        Route::through(ip("192.168.7.254"), ip("172.16.0.0"), 12).unwrap(),
        Route::through(ip("10.0.0.253"), ip("172.16.5.0"), 24).unwrap(),
        Route::default_through(ip("fe80::254")),
    ] {
        config.add_route(route).unwrap();
    }
    config
}

fn gateway(routes: &Routes, to: &str) -> Option<Address> {
    routes.find(&address(to)).expect("a route").gateway
}

#[test]
fn the_longest_prefix_decides() {
    let routes = Routes::new(&config());
    for (to, through) in [
        ("10.0.0.9", None),
        ("192.168.7.255", None),
        ("8.8.8.8", Some("10.0.0.254")),
        ("172.16.4.1", Some("192.168.7.254")),
        ("172.16.5.1", Some("10.0.0.253")),
        ("fd00::9", None),
        ("fe80::9", None),
        ("2001:db8::1", Some("fe80::254")),
        ("224.0.0.1", None),
        ("255.255.255.255", None),
        ("ff02::1", None),
    ] {
        assert_eq!(gateway(&routes, to), through.map(address), "{to}");
    }
}

#[test]
fn a_destination_that_no_route_knows_has_no_way() {
    let mut config = Config::new([0; 32], [AddressBlock::single(ip("10.0.0.1"))]);
    assert_eq!(
        gateway(&Routes::new(&config), "8.8.8.8"),
        None,
        "all is on the link"
    );
    config
        .add_route(Route::on_link(ip("10.0.0.0"), 24).unwrap())
        .unwrap();
    let routes = Routes::new(&config);
    assert_eq!(routes.find(&address("8.8.8.8")), None);
    assert_eq!(routes.find(&address("2001:db8::1")), None);
    let source = source_for(&routes, &config.addresses, &address("8.8.8.8"));
    assert_eq!(source, None);
}

/// RFC 6724, as far as [`Routes`] says.
#[test]
fn the_source_suits_the_destination() {
    let config = config();
    let routes = Routes::new(&config);
    for (to, from) in [
        ("10.0.0.9", "10.0.0.1"),
        ("192.168.7.9", "192.168.7.1"),
        ("8.8.8.8", "10.0.0.1"),
        ("172.16.4.1", "192.168.7.1"),
        ("172.16.5.1", "10.0.0.1"),
        ("192.168.7.1", "192.168.7.1"),
        ("fd00::9", "fd00::1"),
        ("2001:db8::1", "fd00::1"),
        ("fe80::9", "fe80::1"),
        ("ff02::1", "fd00::1"),
    ] {
        let source = source_for(&routes, &config.addresses, &address(to));
        assert_eq!(source, Some(address(from)), "{to}");
    }
}

#[test]
fn a_route_may_name_the_source() {
    let mut config = config();
    let route = Route::on_link(ip("10.9.0.0"), 16).unwrap();
    config.add_route(route.from_source(ip("192.168.7.1"))).unwrap();
    let routes = Routes::new(&config);
    let source = source_for(&routes, &config.addresses, &address("10.9.0.1"));
    assert_eq!(source, Some(address("192.168.7.1")));
}

#[test]
fn networks_on_the_link_have_a_broadcast_address() {
    let routes = Routes::new(&config());
    for (to, is_broadcast) in [
        ("10.0.0.255", true),
        ("192.168.7.255", true),
        ("10.0.0.254", false),
        ("172.31.255.255", false),
        ("255.255.255.254", false),
    ] {
        assert_eq!(routes.is_directed_broadcast(&address(to)), is_broadcast, "{to}");
    }
}
