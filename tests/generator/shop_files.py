"""Small exports as shops and data sets write them, each with the command line a new user would type."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from shlex import split


@dataclass(frozen=True, slots=True)
class ShopFile:
    """A file, the options that bring it in, and what the ledger should then show."""

    name: str
    content: bytes
    options: str
    orders: int
    total: Decimal
    customers: int

    @property
    def arguments(self) -> Sequence[str]:
        """The options as a shell would pass them."""
        return split(self.options)


SHOPIFY = ShopFile(
    "orders_export_1.csv",
    b"""\
Name,Email,Financial Status,Paid at,Fulfillment Status,Accepts Marketing,Currency,Subtotal,Shipping,Taxes,Total,\
Created at,Lineitem quantity,Lineitem name,Lineitem price,Billing Name,Billing Country,Notes,Cancelled at,\
Payment Method,Id,Tags
#1001,anna@example.com,paid,2023-03-15 14:22:36 -0400,fulfilled,no,USD,35.00,5.00,2.10,42.10,\
2023-03-15 14:22:35 -0400,2,"Mug, blue",10.00,Anna Berg,US,"Please ring
twice, thanks",,Shopify Payments,5123456789012,
#1001,anna@example.com,,,,,,,,,,2023-03-15 14:22:35 -0400,1,Plate,15.00,,,,,,,
#1002,bert@example.com,refunded,2023-03-16 09:00:00 -0400,fulfilled,no,USD,20.00,5.00,0.00,25.00,\
2023-03-16 08:59:59 -0400,1,"Poster 24"" wide",20.00,Bert Blau,US,,2023-03-17 10:00:00 -0400,Shopify Payments,\
5123456789013,
#1003,,paid,2023-03-17 09:00:00 -0400,,no,USD,9.99,0.00,0.00,9.99,2023-03-17 08:59:59 -0400,1,Card,9.99,,CA,,,\
manual,5123456789014,
""",
    "--map transaction_id=Name --map user_id=Email --map 'timestamp=Created at' --map total_amount=Total "
    "--map 'country=Billing Country' --map 'payment_method=Payment Method' --same-id add --guests",
    orders=3,
    total=Decimal("77.09"),
    customers=3,
)

WOOCOMMERCE = ShopFile(
    "bestellungen.csv",
    """\
Bestellnummer;Bestelldatum;Bestellstatus;E-Mail (Abrechnung);Land;Zahlungsmethode;Gesamtsumme;Währung
1201;15.03.2023 14:22;Abgeschlossen;j.müller@example.de;DE;PayPal;1.234,50;EUR
1202;26.03.2023 02:30;Abgeschlossen;anna@example.de;DE;Rechnung;19,99;EUR
1203;29.10.2023 02:30;Storniert;bert@example.de;AT;PayPal;12,00;EUR
""".encode("windows-1252"),
    "--map transaction_id=Bestellnummer --map 'user_id=E-Mail (Abrechnung)' --map timestamp=Bestelldatum "
    "--map total_amount=Gesamtsumme --map country=Land --map payment_method=Zahlungsmethode "
    "--encoding windows-1252 --decimal , --date-format '%d.%m.%Y %H:%M' --timezone Europe/Berlin",
    orders=3,
    total=Decimal("1266.49"),
    customers=3,
)

MAGENTO = ShopFile(
    "export.csv",
    b"""\
"ID","Purchase Point","Purchase Date","Bill-to Name","Grand Total (Base)","Grand Total (Purchased)","Status",\
"Customer Email","Payment Method"
"000000001","Main Website","Mar 15, 2023 2:22:35 PM","Anna Berg","29.0000","$29.00","complete","anna@example.com",\
"checkmo"
"000000002","Main Website","Mar 25, 2023 11:02:00 AM","Bert Blau","1234.5000","$1,234.50","canceled",\
"bert@example.com","paypal"
"000000003","Main Website","Mar 25, 2023 11:02:00 PM","Bert Blau","10.0000","$10.00","complete",\
"bert@example.com","paypal"
""",
    "--map transaction_id=ID --map 'user_id=Customer Email' --map 'timestamp=Purchase Date' "
    "--map 'total_amount=Grand Total (Purchased)' --map 'payment_method=Payment Method' "
    "--decimal . --date-format '%b %d, %Y %I:%M:%S %p' --without Status=canceled",
    orders=2,
    total=Decimal("39.00"),
    customers=2,
)

ONLINE_RETAIL = ShopFile(
    "online_retail.csv",
    b"""\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom
536366,22633,HAND WARMER UNION JACK,6,12/1/2010 8:28,1.85,17850,United Kingdom
536414,22139,,56,12/1/2010 11:52,0,,United Kingdom
536544,21773,DECORATIVE ROSE BATHROOM BOTTLE,1,12/1/2010 14:32,2.51,,United Kingdom
536544,21774,DECORATIVE CATS BATHROOM BOTTLE,2,12/1/2010 14:32,2.51,,United Kingdom
C536379,D,Discount,-1,12/1/2010 9:41,27.5,14527,United Kingdom
536367,22745,POPPY'S PLAYHOUSE BEDROOM ,6,12/13/2010 8:34,2.1,13047,United Kingdom
""",
    "--map transaction_id=InvoiceNo --map user_id=CustomerID --map timestamp=InvoiceDate "
    "--map 'total_amount=Quantity*UnitPrice' --map product_id=StockCode --date-format '%m/%d/%Y %H:%M' "
    "--timezone Europe/London --guests --same-id add --skip-bad-rows",
    orders=5,
    total=Decimal("66.87"),
    customers=4,
)

OLIST = ShopFile(
    "olist_order_items_dataset.csv",
    b"""\
"order_id","order_item_id","product_id","seller_id","shipping_limit_date","price","freight_value"
"00010242fe8c5a6d1ba2dd792cb16214","1","4244733e06e7ecb4970a6e2683c13e61","48436dade18ac8b2bce089ec2a041202",\
"2017-09-19 09:45:35","58.90","13.29"
"0008288aa423d2a3f00fcb17cd7d8719","1","368c6c730842d78016ad823897a372db","1f50f920176fa81dab994f9023523100",\
"2018-02-21 02:55:52","49.90","13.37"
"0008288aa423d2a3f00fcb17cd7d8719","2","368c6c730842d78016ad823897a372db","1f50f920176fa81dab994f9023523100",\
"2018-02-21 02:55:52","49.90","13.37"
""",
    "--map transaction_id=order_id --map timestamp=shipping_limit_date --map total_amount=price+freight_value "
    "--guests --same-id add",
    orders=2,
    total=Decimal("198.73"),
    customers=2,
)

REES46 = ShopFile(
    "2019-Oct.csv",
    b"""\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde-8bb3-4e00-8c23-a032dfed738c
2019-10-01 00:02:14 UTC,purchase,1004856,2053013555631882655,electronics.smartphone,samsung,130.76,543272936,\
8187d148-3c41-46d4-90b0-9c08cd9dc564
2019-10-01 00:02:14 UTC,purchase,1004856,2053013555631882655,electronics.smartphone,samsung,130.76,543272936,\
8187d148-3c41-46d4-90b0-9c08cd9dc564
2019-10-01 00:04:37 UTC,cart,1002532,2053013555631882655,electronics.smartphone,apple,642.69,551377651,\
3c80f0d6-e9ec-4181-8c5c-837a30be2d68
""",
    "--map timestamp=event_time --map total_amount=price --map category=category_code "
    "--map session_id=user_session --only event_type=purchase",
    orders=2,
    total=Decimal("261.52"),
    customers=1,
)

SHOPS = (SHOPIFY, WOOCOMMERCE, MAGENTO, ONLINE_RETAIL, OLIST, REES46)
