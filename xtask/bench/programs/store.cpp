// What the compiler is timed with: a store with orders, as programs of this size use the standard library.
#include <algorithm>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace store {

class Money {
public:
    Money() = default;
    explicit Money(long cents) : cents_(cents) {}

    long cents() const { return cents_; }
    Money operator+(Money other) const { return Money(cents_ + other.cents_); }
    Money operator-(Money other) const { return Money(cents_ - other.cents_); }
    Money operator*(long times) const { return Money(cents_ * times); }
    Money &operator+=(Money other) {
        cents_ += other.cents_;
        return *this;
    }
    bool operator<(Money other) const { return cents_ < other.cents_; }
    bool operator==(Money other) const { return cents_ == other.cents_; }

private:
    long cents_ = 0;
};

std::ostream &operator<<(std::ostream &out, Money money) {
    const long cents = money.cents();
    return out << cents / 100 << '.' << std::setw(2) << std::setfill('0') << cents % 100 << std::setfill(' ');
}

enum class Kind { Book, Tool, Toy };

const char *name_of(Kind kind) {
    switch (kind) {
    case Kind::Book: return "book";
    case Kind::Tool: return "tool";
    case Kind::Toy: return "toy";
    }
    return "?";
}

struct Product {
    int number;
    std::string name;
    Kind kind;
    Money price;
};

class Discount {
public:
    virtual ~Discount() = default;
    virtual Money off(const Product &product, int count) const = 0;
    virtual std::string what() const = 0;
};

class Percent : public Discount {
public:
    explicit Percent(int percent) : percent_(percent) {}
    Money off(const Product &product, int count) const override {
        return Money(product.price.cents() * count * percent_ / 100);
    }
    std::string what() const override {
        std::ostringstream out;
        out << percent_ << " % off";
        return out.str();
    }

private:
    int percent_;
};

class OneFree : public Discount {
public:
    explicit OneFree(int of) : of_(of) {}
    Money off(const Product &product, int count) const override { return product.price * (count / of_); }
    std::string what() const override { return "one of " + std::to_string(of_) + " free"; }

private:
    int of_;
};

class NoStock : public std::runtime_error {
public:
    NoStock(const std::string &name, int missing)
        : std::runtime_error(name + ": " + std::to_string(missing) + " missing"), missing_(missing) {}
    int missing() const { return missing_; }

private:
    int missing_;
};

template <typename Key, typename Value>
class Index {
public:
    void add(const Key &key, const Value &value) { entries_[key].push_back(value); }

    std::vector<Value> all(const Key &key) const {
        auto found = entries_.find(key);
        return found == entries_.end() ? std::vector<Value>() : found->second;
    }

    template <typename Function>
    void each(Function function) const {
        for (const auto &[key, values] : entries_) function(key, values);
    }

    std::size_t size() const { return entries_.size(); }

private:
    std::map<Key, std::vector<Value>> entries_;
};

class Stock {
public:
    void add(const Product &product, int count) {
        products_.emplace(product.number, product);
        counts_[product.number] += count;
        by_kind_.add(product.kind, product.number);
    }

    std::optional<Product> find(int number) const {
        auto found = products_.find(number);
        if (found == products_.end()) return std::nullopt;
        return found->second;
    }

    void take(int number, int count) {
        auto &there = counts_.at(number);
        if (there < count) throw NoStock(products_.at(number).name, count - there);
        there -= count;
    }

    int count(int number) const {
        auto found = counts_.find(number);
        return found == counts_.end() ? 0 : found->second;
    }

    Money value() const {
        return std::accumulate(counts_.begin(), counts_.end(), Money(), [this](Money sum, const auto &entry) {
            return sum + products_.at(entry.first).price * entry.second;
        });
    }

    const Index<Kind, int> &by_kind() const { return by_kind_; }

private:
    std::unordered_map<int, Product> products_;
    std::map<int, int> counts_;
    Index<Kind, int> by_kind_;
};

struct Line {
    int product;
    int count;
};

class Order {
public:
    explicit Order(std::string customer) : customer_(std::move(customer)) {}

    Order &add(int product, int count) {
        auto same = std::find_if(lines_.begin(), lines_.end(), [=](const Line &line) { return line.product == product; });
        if (same == lines_.end()) lines_.push_back({product, count});
        else same->count += count;
        return *this;
    }

    const std::string &customer() const { return customer_; }
    const std::vector<Line> &lines() const { return lines_; }

private:
    std::string customer_;
    std::vector<Line> lines_;
};

class Store {
public:
    using Listener = std::function<void(const Order &, Money)>;

    explicit Store(Stock stock) : stock_(std::move(stock)) {}

    void discount(Kind kind, std::unique_ptr<Discount> discount) { discounts_[kind] = std::move(discount); }
    void listen(Listener listener) { listeners_.push_back(std::move(listener)); }

    Money sell(const Order &order) {
        Money sum;
        for (const auto &line : order.lines()) {
            const auto product = stock_.find(line.product);
            if (!product) throw std::out_of_range("no product " + std::to_string(line.product));
            stock_.take(line.product, line.count);
            sum += product->price * line.count;
            if (auto found = discounts_.find(product->kind); found != discounts_.end())
                sum = sum - found->second->off(*product, line.count);
        }
        for (const auto &listener : listeners_) listener(order, sum);
        return sum;
    }

    const Stock &stock() const { return stock_; }

private:
    Stock stock_;
    std::map<Kind, std::unique_ptr<Discount>> discounts_;
    std::vector<Listener> listeners_;
};

class Ledger {
public:
    void note(const Order &order, Money sum) {
        sums_[order.customer()] += sum;
        customers_.insert(order.customer());
        history_.emplace_back(order.customer(), sum);
    }

    std::vector<std::pair<std::string, Money>> best(std::size_t count) const {
        std::vector<std::pair<std::string, Money>> all(sums_.begin(), sums_.end());
        std::sort(all.begin(), all.end(), [](const auto &a, const auto &b) {
            return a.second == b.second ? a.first < b.first : b.second < a.second;
        });
        all.resize(std::min(count, all.size()));
        return all;
    }

    Money median() const {
        if (history_.empty()) return Money();
        std::vector<Money> sums;
        sums.reserve(history_.size());
        std::transform(history_.begin(), history_.end(), std::back_inserter(sums),
                       [](const auto &entry) { return entry.second; });
        std::nth_element(sums.begin(), sums.begin() + sums.size() / 2, sums.end());
        return sums[sums.size() / 2];
    }

    std::size_t customers() const { return customers_.size(); }

private:
    std::map<std::string, Money> sums_;
    std::set<std::string> customers_;
    std::vector<std::pair<std::string, Money>> history_;
};

class Random {
public:
    explicit Random(unsigned seed) : state_(seed) {}
    int below(int n) {
        state_ = state_ * 1664525u + 1013904223u;
        return static_cast<int>((state_ >> 8) % static_cast<unsigned>(n));
    }

private:
    unsigned state_;
};

Stock stocked(Random &random, int products) {
    Stock stock;
    for (int number = 1; number <= products; ++number) {
        std::ostringstream name;
        const auto kind = static_cast<Kind>(random.below(3));
        name << name_of(kind) << '-' << std::hex << number * 7919;
        stock.add({number, name.str(), kind, Money(100 + random.below(9900))}, 5 + random.below(40));
    }
    return stock;
}

} // namespace store

int main() {
    using namespace store;
    Random random(2024);
    Store shop(stocked(random, 200));
    Ledger ledger;
    shop.discount(Kind::Book, std::make_unique<Percent>(10));
    shop.discount(Kind::Toy, std::make_unique<OneFree>(3));
    shop.listen([&ledger](const Order &order, Money sum) { ledger.note(order, sum); });
    std::map<std::string, int> failures;
    for (int number = 0; number < 1000; ++number) {
        Order order("customer" + std::to_string(random.below(60)));
        for (int line = 1 + random.below(4); line > 0; --line) order.add(1 + random.below(202), 1 + random.below(5));
        try {
            shop.sell(order);
        } catch (const NoStock &error) {
            failures["stock"] += error.missing();
        } catch (const std::exception &) {
            ++failures["unknown"];
        }
    }
    for (const auto &[customer, sum] : ledger.best(5)) std::cout << std::left << std::setw(12) << customer << sum << '\n';
    for (const auto &[why, count] : failures) std::cout << why << ' ' << count << '\n';
    shop.stock().by_kind().each([](Kind kind, const std::vector<int> &numbers) {
        std::cout << name_of(kind) << ' ' << numbers.size() << '\n';
    });
    std::cout << ledger.customers() << ' ' << ledger.median() << ' ' << shop.stock().value() << '\n';
}
