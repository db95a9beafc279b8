use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn config() -> Config {
    let block = |text| AddressBlock::new(ip(text), 24).unwrap();
    Config::new([0; 32], [block("10.0.0.1"), AddressBlock::single(ip("fd00::1"))])
}

#[test]
fn a_gateway_must_be_on_the_link_before_it_is_used() {
    let mut config = config();
    let default = Route::default_through(ip("10.0.1.254"));
    assert_eq!(
        config.add_route(default),
        Err(RouteError::GatewayOffLink(ip("10.0.1.254")))
    );
    config
        .add_route(Route::on_link(ip("10.0.1.0"), 24).unwrap())
        .unwrap();
    assert_eq!(config.add_route(default), Ok(()));
    assert_eq!(config.routes().len(), 2);
}

#[test]
fn a_link_local_gateway_needs_no_route() {
    assert_eq!(config().add_route(Route::default_through(ip("fe80::1"))), Ok(()));
}

#[test]
fn contradictions_are_refused_and_change_nothing() {
    let mut config = config();
    config
        .add_route(Route::on_link(ip("10.0.0.0"), 16).unwrap())
        .unwrap();
    let v6_gateway = Route::through(ip("fe80::1"), ip("192.0.2.0"), 24).unwrap();
    let v6_source = Route::on_link(ip("192.0.2.0"), 24)
        .unwrap()
        .from_source(ip("fd00::1"));
    let foreign = Route::on_link(ip("192.0.2.0"), 24)
        .unwrap()
        .from_source(ip("192.0.2.9"));
    for (route, error) in [
        (v6_gateway, RouteError::MixedFamilies(ip("fe80::1"))),
        (v6_source, RouteError::MixedFamilies(ip("fd00::1"))),
        (foreign, RouteError::ForeignSource(ip("192.0.2.9"))),
        (
            Route::default_through(ip("10.0.0.77")),
            RouteError::GatewayIsOurs(ip("10.0.0.77")),
        ),
        (
            Route::on_link(ip("10.0.99.1"), 16).unwrap(),
            RouteError::Duplicate,
        ),
    ] {
        assert_eq!(config.add_route(route), Err(error));
    }
    assert_eq!(config.routes().len(), 1);
    assert_eq!(Route::on_link(ip("10.0.0.0"), 33), Err(InvalidPrefix(33)));
}

#[test]
fn the_last_address_of_a_block() {
    let block = AddressBlock::new(ip("10.1.2.3"), 20).unwrap();
    assert_eq!(block.last(), Address::from(ip("10.1.15.255")));
    assert_eq!(
        AddressBlock::single(ip("10.1.2.3")).last(),
        Address::from(ip("10.1.2.3"))
    );
}
