// SPDX-License-Identifier: GPL-3.0-or-later
// Asio's compiled half (BOOST_ASIO_SEPARATE_COMPILATION), once for everything above io.
#include <boost/asio/impl/src.hpp>
