//! Something for each currency that an order's money is in: hardly ever more than one.

use smallvec::SmallVec;

use crate::domain::Currency;

/// Sorted by currency.
#[derive(Clone, Debug)]
pub(super) struct ByCurrency<T>(SmallVec<[(Currency, T); 1]>);

impl<T> Default for ByCurrency<T> {
    fn default() -> Self {
        ByCurrency(SmallVec::new())
    }
}

impl<T: Default> ByCurrency<T> {
    /// What stands for the currency; its default where nothing does yet.
    pub fn of(&mut self, currency: Currency) -> &mut T {
        let place = match self.0.binary_search_by_key(&currency, |(known, _)| *known) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, (currency, T::default()));
                place
            }
        };
        &mut self.0[place].1
    }

    pub fn get(&self, currency: Currency) -> Option<&T> {
        self.iter().find(|(known, _)| *known == currency).map(|(_, value)| value)
    }

    /// In the order of currencies.
    pub fn iter(&self) -> impl Iterator<Item = (Currency, &T)> {
        self.0.iter().map(|(currency, value)| (*currency, value))
    }
}
